"""The mask against the rules spelled out pair by pair, with and without the off-by-one of the first checkpoints."""

import fnmatch

import numpy as np
import pytest

from octoscope.policies.octo.attention_rules import octo_rules
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

_RULES = {
    "task_*": ["task_*"],
    "obs_*": ["task_*", "obs_*"],
    "readout_action": ["task_*", "obs_*", "readout_action"],
    "readout_value": ["task_*", "obs_*", "readout_value"],
}


def rule_group(groups, offset, correct):
    ends = np.cumsum([size for _, size in groups])
    return groups[np.searchsorted(ends, offset, side="right" if correct else "left")][0]


def pair_by_pair(prefix, timestep, window, correct):
    width = sum(size for _, size in prefix)
    per_step = sum(size for _, size in timestep)
    places = [(rule_group(prefix, i, correct), -1) for i in range(width)]
    places += [(rule_group(timestep, i, correct), t) for t in range(window) for i in range(per_step)]
    mask = np.zeros((len(places), len(places)), bool)
    for i, (group, time) in enumerate(places):
        allowed = next(rule for pattern, rule in _RULES.items() if fnmatch.fnmatch(group, pattern))
        for j, (other, other_time) in enumerate(places):
            mask[i, j] = other_time <= time and any(fnmatch.fnmatch(other, pattern) for pattern in allowed)
    return mask


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize(
    ("prefix", "timestep"),
    [
        ([("task_language", 3)], [("obs_primary", 4), ("obs_wrist", 2), ("readout_action", 1)]),
        ([("task_a", 2), ("task_b", 1)], [("obs_primary", 2), ("obs_task_a", 2), ("readout_action", 2)]),
        ([], [("obs_image", 3), ("readout_action", 3), ("readout_value", 2)]),
    ],
)
def test_mask_follows_the_rules(prefix, timestep, window, correct):
    def sourced(groups):
        return [(name, size, TokenSource("image")) for name, size in groups]

    layout = TokenLayout.assemble(sourced(prefix), sourced(timestep), window=window)
    np.testing.assert_array_equal(
        octo_rules(layout, use_correct_attention=correct), pair_by_pair(prefix, timestep, window, correct)
    )


def test_first_checkpoints_let_observations_see_the_readout():
    groups = [("obs_primary", 2, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
    layout = TokenLayout.assemble([], groups, window=1)
    correct, old = octo_rules(layout), octo_rules(layout, use_correct_attention=False)
    assert not correct[:2, 2].any()
    assert old[:2, 2].all()
