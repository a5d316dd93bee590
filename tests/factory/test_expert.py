"""The expert: it reaches every goal, also when it sees badly, and never jumps as the scene changes gradually."""

import dataclasses

import numpy as np
import pytest

from factory.tabletop.closed_loop import draw_noisy_expert, run_episodes
from factory.tabletop.expert import expert_action
from factory.tabletop.exploration import explore
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import concatenate
from factory.tabletop.tasks import another_task, sample_tasks
from octoscope.embedded.table_names import FAMILIES

EPISODES = 400


def outcome_of(family: int, *, bias: float, step_noise: float, wrong: bool = False):
    rng = np.random.default_rng(family)
    start = sample_scenes(rng, EPISODES)
    task = sample_tasks(rng, start, family=family)
    followed = another_task(rng, start, task) if wrong else task
    expert = draw_noisy_expert(rng, followed, bias=bias, step_noise=step_noise)
    return task, followed, run_episodes(start, expert, tasks=(task, followed))


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=FAMILIES)
@pytest.mark.parametrize(
    ("bias", "step_noise", "least"), [(0.0, 0.0, 0.98), (0.02, 0.0, 0.9), (0.0, 0.02, 0.9), (0.02, 0.02, 0.9)]
)
def test_expert_reaches_the_goal_two_centimetres_off(family, bias, step_noise, least):
    _, _, outcome = outcome_of(family, bias=bias, step_noise=step_noise)
    assert outcome.reached[0].mean() >= least


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=FAMILIES)
def test_the_target_is_touched_first(family):
    task, _, outcome = outcome_of(family, bias=0.0, step_noise=0.0)
    assert (outcome.first_touched == task.target).mean() >= 0.97


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=FAMILIES)
def test_another_task_leaves_the_original_goal_unreached(family):
    _, followed, outcome = outcome_of(family, bias=0.0, step_noise=0.0, wrong=True)
    assert outcome.reached[0].mean() <= 0.03
    assert outcome.reached[1].mean() >= 0.98
    assert (outcome.first_touched == followed.target).mean() >= 0.97


def test_actions_are_bounded_and_change_gradually():
    rng = np.random.default_rng(0)
    state = concatenate(explore(rng, 100))
    task = sample_tasks(rng, state, push_room=0.2)
    action = expert_action(state, task)
    assert np.abs(action).max() <= 1.0
    assert (action[:, 3:6] == 0).all()
    nudged = dataclasses.replace(state, position=state.position + rng.normal(0, 1e-4, state.position.shape))
    jump = np.abs(expert_action(nudged, task) - action).max(axis=1)
    # Straight above a reference, or in it, there is no nearest side: the one place where the direction can flip.
    assert np.quantile(jump, 0.999) < 0.1


def test_episodes_repeat_with_their_seed():
    first, again = (outcome_of(1, bias=0.02, step_noise=0.02)[2] for _ in range(2))
    np.testing.assert_array_equal(first.reached_after, again.reached_after)


def test_exploration_covers_full_shut_and_lowered_hands():
    state = concatenate(explore(np.random.default_rng(0), 200))
    assert 0.1 < (state.held >= 0).mean() < 0.6
    assert 0.2 < state.opened.mean() < 0.8
    assert (state.gripper[:, 2] < 0.085).mean() > 0.2
