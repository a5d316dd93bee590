"""How patches look by depth, and how far a patch has travelled, on runs whose every weight is chosen."""

import dataclasses

import numpy as np
import pytest

from hand_made_runs import even_weights, hand_made_layout, hand_made_run
from octoscope.attention.depth_profile import depth_profile
from octoscope.attention.rollout import attention_rollout
from octoscope.attention.travel import patch_travel, rollout_column
from octoscope.errors import SelectionError
from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource


def by_name(profile):
    return {(statistic.name, statistic.unit): statistic for statistic in profile.statistics}


def test_even_attention_has_the_values_that_are_told_for_it():
    profile = depth_profile(hand_made_run(even_weights))
    for statistic in profile.statistics:
        np.testing.assert_allclose(statistic.values, statistic.even, rtol=1e-3, err_msg=statistic.title)


def test_patches_on_the_padding_around_a_frame_are_no_patches_of_it():
    layout = hand_made_layout()
    spans = tuple(
        dataclasses.replace(span, source=dataclasses.replace(span.source, scene=(1, 0, 2, 2)))
        if span.source.grid
        else span
        for span in layout.spans
    )
    layout = dataclasses.replace(layout, spans=spans)
    even = depth_profile(hand_made_run(even_weights, layout=layout))
    for statistic in even.statistics:
        np.testing.assert_allclose(statistic.values, statistic.even, rtol=1e-3, err_msg=statistic.title)
    assert by_name(even)["distance", "patches"].even == 0.5
    found = by_name(depth_profile(hand_made_run(layout=layout)))
    shares = sum(found[name, "share"].values for name in ("own patch", "own frame", "other images", "words", "padding"))
    np.testing.assert_allclose(shares, 1.0, rtol=2e-3)


def test_shares_of_a_patch_and_its_readout_weight_sum_to_one():
    run = hand_made_run()
    found = by_name(depth_profile(run))
    shares = sum(found[name, "share"].values for name in ("own patch", "own frame", "other images", "words"))
    # Patches see no readout.
    np.testing.assert_allclose(shares, 1.0, rtol=2e-3)


def test_patches_that_see_only_themselves_look_nowhere_else():
    def diagonal(visible, step):
        return np.broadcast_to(np.eye(len(visible)), (2, 2, *visible.shape))

    found = by_name(depth_profile(hand_made_run(diagonal)))
    assert (found["own patch", "share"].values == 1).all()
    assert (found["distance", "patches"].values == 0).all()
    assert (found["entropy", "of the most possible"].values == 0).all()


def test_patches_that_see_their_neighbour_look_one_patch_far():
    def neighbour(visible, step):
        weights = np.eye(len(visible))
        # 2 x 2 patches of the current frame, in two rows: each looks at the other of its row.
        first = 3 + 8 + 0
        places = first + np.array([0, 1, 2, 3])
        weights[np.ix_(places, places)] = np.eye(4)[[1, 0, 3, 2]]
        return np.broadcast_to(weights, (2, 2, *weights.shape))

    run = hand_made_run(neighbour)
    assert run.layout.select("obs_primary", timestep=-1).tolist() == [11, 12, 13, 14]
    found = by_name(depth_profile(run))
    assert (found["distance", "patches"].values == 1).all()
    # Patches of 16 pixels.
    assert (found["distance", "pixels"].values == 16).all()


def test_rows_that_are_not_in_the_run_are_asked_for():
    with pytest.raises(SelectionError, match="--queries readout obs_primary"):
        depth_profile(hand_made_run(query_groups="readout"))


def test_the_last_column_is_that_of_the_whole_rollout():
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=(3, 2, 5, 5))
    weights /= weights.sum(axis=-1, keepdims=True)
    columns = rollout_column(weights, 2, residual_weight=0.3)
    np.testing.assert_allclose(columns[-1], attention_rollout(weights, residual_weight=0.3)[:, 2])
    assert columns[0].tolist() == [0, 0, 1, 0, 0]
    np.testing.assert_allclose(columns[1], attention_rollout(weights[:1], residual_weight=0.3)[:, 2])


def test_a_patch_of_a_run_travels_to_nobody_who_may_not_look():
    run = hand_made_run()
    travelled = patch_travel(run, camera="primary", row=1, column=0, step=2)
    place = run.layout.select("obs_primary", timestep=-1)[2]
    assert travelled[0, place] == 1.0
    # Words in front and the timestep before never see the current frame.
    assert (travelled[:, : run.layout.find_spans("obs_primary", timestep=-1)[0].start] == 0).all()
    assert travelled[-1, run.layout.select("readout_action", timestep=-1)[0]] > 0


def test_a_patch_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"grid \(2, 2\)"):
        patch_travel(hand_made_run(), camera="primary", row=2, column=0, step=0)
    with pytest.raises(ValueError, match="at least one layer"):
        rollout_column([], 0)


def test_what_the_policy_has_none_of_has_no_statistic():
    source = TokenSource("image", ("image_primary",), grid=(2, 2))
    groups = [("obs_primary", 4, source), ("readout_action", 1, TokenSource("readout"))]
    found = by_name(
        depth_profile(hand_made_run(layout=with_octo_stack(TokenLayout.assemble([], groups, window=2), 2, 2)))
    )
    assert ("words", "share") not in found
    assert {("own frame", "share"), ("other images", "share")} <= set(found)
