"""What is planted is found, and nothing else."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from octoscope.errors import RunError, SelectionError
from octoscope.trends.contrasts import contrasts
from octoscope.trends.episode_table import read_outcomes
from octoscope.trends.motion import Motion, motion_of
from octoscope.trends.nested_means import (
    compare_tasks,
    compare_with_zero,
    nested_interval,
    relabelled,
    swapped,
    task_means,
)
from octoscope.trends.phases import PHASES, PhaseRule, phases_of
from octoscope.trends.task_words import verb_and_object
from octoscope.trends.trend import make_trend
from tests.trends.made_tables import made_table


def shifted(table, member, cell, size, part=slice(None), measure=0):
    values = table.values.copy()
    values[np.ix_(np.flatnonzero(member), np.arange(values.shape[1])[part], [cell], [measure])] += size
    return dataclasses.replace(table, values=values)


def test_means_and_intervals_are_those_of_scipy_where_tasks_have_one_episode_each():
    rng = np.random.default_rng(0)
    values, member = rng.normal(size=(12, 3)), np.arange(12) < 5
    tasks = np.arange(12)
    one = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    comparison = compare_with_zero(task_means(values, tasks))
    np.testing.assert_allclose(comparison.estimate - comparison.half_width, one.low)
    two = stats.ttest_ind(values[member], values[~member])
    comparison = compare_tasks(task_means(values, tasks), member)
    np.testing.assert_allclose(comparison.estimate - comparison.half_width, two.confidence_interval(0.95).low)
    low, high = nested_interval(values, tasks, member)
    assert (low <= two.confidence_interval(0.95).low + 1e-12).all()
    assert (high >= two.confidence_interval(0.95).high - 1e-12).all()


def test_an_episode_more_is_not_a_task_more():
    rng = np.random.default_rng(1)
    means = rng.normal(size=(8, 1))
    values, tasks = np.repeat(means, 10, axis=0), np.repeat(np.arange(8), 10)
    assert compare_with_zero(task_means(values, tasks)).half_width == pytest.approx(compare_with_zero(means).half_width)


def test_p_is_never_below_what_shuffling_could_give():
    means = np.arange(1.0, 6.0)[:, None] + 100.0
    assert swapped(means, np.ones((1, 5))).p[0, 0] == pytest.approx(2 / 2**5)
    alone = np.zeros(15)
    alone[3] = 1e6
    # One task far out, of fifteen: each of them could be it.
    assert relabelled(alone[:, None], (np.arange(15) == 3)[None]).p[0, 0] >= 2 / 15


def test_as_many_labellings_have_a_p_as_small_as_p_says():
    rng = np.random.default_rng(2)
    means, member = rng.normal(size=(12, 1)) + np.linspace(0, 1.5, 12)[:, None], np.arange(12) < 6
    members = np.stack([member, *(rng.permutation(member) for _ in range(4000))])
    labelling = relabelled(means, members)
    flipped = swapped(means, np.concatenate([np.ones((1, 12)), rng.choice([-1.0, 1.0], size=(4000, 12))]))
    for p in (labelling.p[:, 0], flipped.p[:, 0]):
        rate = (p[1:] <= p[0]).mean()
        # On the safe side, and by no more than one degree of freedom.
        assert rate - 0.01 <= p[0] <= rate + 0.04


@pytest.mark.parametrize("by", ["verb", "task", "phase"])
def test_a_planted_effect_is_found_and_nothing_else(by):
    parts = PHASES if by == "phase" else ("whole episode",)
    # That tasks differ is what by task finds.
    table = made_table(np.random.default_rng(3), tasks=16, parts=parts, between=0.0 if by == "task" else 1.0)
    member = {
        "verb": [label.verb == "verb 1" for label in table.labels],
        "task": [label.task == "task 5" for label in table.labels],
        "phase": [True] * len(table.labels),
    }[by]
    part = slice(2, 3) if by == "phase" else slice(None)
    trend = make_trend(shifted(table, np.array(member), 7, 9.0, part), by, shuffles=100)
    level = {"verb": "verb 0", "task": "task 5", "phase": "grasp"}[by]
    found = {(trend.cells[trend.cell[at]][2:], trend.measures[trend.measure[at]]) for at in np.flatnonzero(trend.found)}
    assert found == {((1, 3), "share: words")}
    assert level in {trend.levels[trend.contrast[at]] for at in np.flatnonzero(trend.found)}
    (at,) = [at for at in np.flatnonzero(trend.found) if trend.levels[trend.contrast[at]] == level]
    assert trend.low[at] <= (-9.0 if by == "verb" else 9.0) <= trend.high[at]
    levels = len(trend.levels)
    assert trend.tested == levels * 40
    assert trend.shuffled_rate <= 0.1


def test_nothing_is_found_where_nothing_is():
    rates = [
        bool(make_trend(made_table(np.random.default_rng(seed)), "verb", shuffles=0).found.any()) for seed in range(40)
    ]
    assert sum(rates) <= 4


def test_below_five_tasks_there_is_no_verdict_but_the_smallest_effect_is_told():
    for by in ("verb", "task", "object"):
        trend = make_trend(
            shifted(made_table(np.random.default_rng(4), tasks=4), np.arange(40) < 20, 3, 50.0), by, shuffles=5
        )
        assert trend.tested == 0
        assert not trend.found.any()
        assert np.isfinite(trend.smallest).all()


def test_what_even_attention_or_random_weights_do_too_is_not_found():
    table = made_table(np.random.default_rng(5), tasks=16)
    member = np.array([label.verb == "verb 1" for label in table.labels])
    strong = shifted(table, member, 7, 9.0)
    assert make_trend(strong, "verb", shuffles=0).found.sum() == 1
    assert not make_trend(dataclasses.replace(strong, even=strong.values), "verb", shuffles=0).found.any()
    random = make_trend(strong, "verb", random=strong, shuffles=0)
    assert not random.found.any()
    assert abs(random.random[np.argmax(np.abs(random.effect))]) == pytest.approx(9.0, abs=3.0)
    others = made_table(np.random.default_rng(6), tasks=16)
    assert make_trend(strong, "verb", random=others, shuffles=0).found.sum() == 1


def test_a_map_that_never_moves_makes_no_phases():
    table = made_table(np.random.default_rng(7), tasks=16, parts=PHASES)
    strong = shifted(table, np.ones(160, bool), 7, 9.0, slice(2, 3))
    assert make_trend(strong, "phase", shuffles=0).found.any()
    assert not make_trend(dataclasses.replace(strong, template=strong.values), "phase", shuffles=0).found.any()


def test_policies_are_compared_on_the_same_episodes_alone():
    before = made_table(np.random.default_rng(8), tasks=12, policy="before")
    after = shifted(before, np.ones(120, bool), 2, 0.5)
    noise = np.random.default_rng(9).normal(size=after.values.shape).astype(np.float32)
    labels = tuple(dataclasses.replace(label, policy="after", policy_key="after") for label in after.labels)
    both = joined(before, dataclasses.replace(after, labels=labels, values=after.values + 0.1 * noise))
    trend = make_trend(both, "policy", shuffles=0)
    (at,) = np.flatnonzero(trend.found)
    assert (trend.cells[trend.cell[at]][2:], trend.levels, trend.against) == ((0, 2), ("after",), ("before",))
    assert trend.estimate[at] == pytest.approx(0.5, abs=0.03)
    stranger = tuple(dataclasses.replace(label, episode_key=f"other {at}") for at, label in enumerate(labels))
    with pytest.raises(SelectionError, match="no episode in common"):
        make_trend(joined(before, dataclasses.replace(after, labels=stranger)), "policy")


def test_outcomes_are_compared_within_tasks_and_without_length():
    table = made_table(np.random.default_rng(10), tasks=12)
    outcome = [label.length % 3 == 0 for label in table.labels]
    labels = tuple(dataclasses.replace(label, outcome=won) for label, won in zip(table.labels, outcome, strict=True))
    values = table.values.copy()
    values[:, 0, 4, 0] += 6.0 * np.array(outcome)
    # This one goes with length, and with nothing else.
    values[:, 0, 5, 0] = [label.length for label in labels]
    trend = make_trend(dataclasses.replace(table, labels=labels, values=values), "outcome", shuffles=0)
    found = [trend.cells[trend.cell[at]][2:] for at in np.flatnonzero(trend.found)]
    assert found == [(1, 0)]
    length = trend.estimate[(trend.cell == 5) & (trend.measure == 0)]
    assert abs(float(length[0])) < 1e-4


def joined(some, others):
    arrays = {
        name: np.concatenate([getattr(some, name), getattr(others, name)])
        for name in ("values", "even", "template", "steps")
    }
    return dataclasses.replace(some, labels=some.labels + others.labels, **arrays)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("verb", "all runs have the verb"),
        ("policy", "all runs are of one"),
        ("outcome", "--outcomes"),
        ("dataset", "dataset 'made'"),
    ],
)
def test_what_cannot_be_compared_is_refused(by, message):
    with pytest.raises(SelectionError, match=message):
        contrasts(made_table(np.random.default_rng(0), verbs=1), by)


def test_phases_are_cut_by_the_first_state_of_the_gripper_whatever_its_sign():
    gripper = np.array([0, 0, 0, 1, 1, 1, 0], float)
    speed = (1.0, 1.0, 0.2, 0.2, 1.0, 1.0, 1.0)
    for sign in (1.0, -1.0):
        phases = phases_of(Motion(speed, tuple(sign * gripper)), PhaseRule(around=0))
        assert [PHASES[at] for at in phases] == ["reach", "reach", "hover", "grasp", "carry", "carry", "after"]
    assert [PHASES[at] for at in phases_of(Motion(speed, (0.0,) * 7), PhaseRule())] == ["reach"] * 2 + ["hover"] * 2 + [
        "reach"
    ] * 3
    unknown = phases_of(Motion((np.nan, 1.0), ()), PhaseRule())
    assert unknown.tolist() == [-1, 0]


def test_only_actions_of_an_arm_have_a_gripper():
    assert motion_of(np.full((2, 3), 2.0)) == Motion(speed=(12**0.5, 12**0.5))


@pytest.mark.parametrize(
    ("words", "verb", "thing"),
    [
        ("Put the cup in the sink", "put", "cup"),
        ("please slide the orange can", "slide", "orange can"),
        ("turn lever vertical to front", "turn", "lever"),
        ("flip pot upright which is in sink", "flip", "pot"),
        ("pick up a can", "pick", "can"),
        ("", "(no words)", "(no words)"),
        ("stop", "stop", "(no words)"),
    ],
)
def test_verb_and_object_are_told_by_plain_words(words, verb, thing):
    assert verb_and_object(words, "any") == (verb, thing)


def test_outcomes_are_read_from_a_table_or_refused_by_line(tmp_path):
    file = tmp_path / "outcomes.csv"
    file.write_text("episode,outcome\na/0,success\na/1,0\n", encoding="utf-8")
    assert read_outcomes(file) == {"a/0": True, "a/1": False}
    file.write_text("episode,outcome\na/0,perhaps\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"line 2.*perhaps"):
        read_outcomes(file)
