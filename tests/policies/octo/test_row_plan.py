"""What has to be computed, by hand on a sequence of eleven tokens."""

import numpy as np

from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.policies.octo.lean.row_plan import plan_rows
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

PREFIX = ("task_language", 2, TokenSource("language"))
PATCHES = ("obs_primary", 3, TokenSource("image"))
READOUT = ("readout_action", 1, TokenSource("readout"))


def layout(**options):
    return with_octo_stack(TokenLayout.assemble([PREFIX], [PATCHES, READOUT], window=2), 1, 1, **options)


def test_the_last_layer_gives_the_readout_alone_and_earlier_ones_what_it_sees():
    plan = plan_rows(layout(), num_layers=3, read=[9], watched=[])
    assert plan is not None
    assert plan.prefix == 2
    assert [one.outputs for one in plan.layers] == [((2, 10),), ((2, 10),), ((9, 10),)]
    assert all(one.inputs == ((2, 10),) for one in plan.layers)


def test_tokens_see_what_the_rules_let_them_see():
    rules = layout().rules()
    plan = plan_rows(layout(), num_layers=2, read=[9], watched=[])
    assert plan is not None
    classes = plan.layers[0].classes
    assert [one.rows for one in classes] == [(2, 5), (5, 6), (6, 9), (9, 10)]
    for one in classes:
        keys = np.concatenate([np.arange(start, stop) for start, stop in one.keys])
        for row in range(*one.rows):
            assert keys.tolist() == np.flatnonzero(rules[row]).tolist()
    # No observation of the first timestep looks at the second.
    assert classes[0].keys == ((0, 5),)


def test_watched_tokens_of_the_last_layer_look_but_do_not_go_out():
    plan = plan_rows(layout(), num_layers=1, read=[9], watched=[7, 9])
    assert plan is not None
    assert [(one.rows, one.goes_out) for one in plan.layers[0].classes] == [((7, 8), False), ((9, 10), True)]


def test_a_readout_that_observations_see_stays_in_every_layer():
    # In the checkpoints of December 2023 the readout counts to the group before it.
    plan = plan_rows(layout(use_correct_attention=False), num_layers=2, read=[9], watched=[])
    assert plan is not None
    assert plan.layers[0].classes[0].keys == ((0, 6),)


def test_prefix_rows_are_not_covered():
    assert plan_rows(layout(), num_layers=1, read=[9], watched=[0, 9]) is None
