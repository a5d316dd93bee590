"""The forward that does only what is read, against the plain one: attention, actions, masks, and runs made with it."""

import jax
import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import SelectionError
from octoscope.policies.octo.lean.lean_episode import LeanEpisode
from octoscope.policies.octo.network.states import attention_weights, token_pad
from tiny_policies import head, images, numbers, tiny_episode, tiny_policy

RNG = jax.random.PRNGKey(3)


def both(model, episode_model, observation, tasks, frame_index, rows):
    """Actions and states of the plain forward and of the lean one."""
    plain = model.act(observation, tasks, rng=RNG, watch=True, query_rows=rows)
    return plain, episode_model.act(observation, frame_index, rng=RNG)


def rows_of(layout):
    groups = [group for group in layout.groups if group.startswith("readout_") or group.startswith("obs_task_")]
    return tuple(int(place) for group in groups for place in layout.select(group, timestep=-1))


def check_same(plain, lean):
    np.testing.assert_allclose(attention_weights(lean[1]), attention_weights(plain[1]), atol=1e-5)
    assert ((attention_weights(lean[1]) == 0) == (attention_weights(plain[1]) == 0)).all()
    np.testing.assert_array_equal(token_pad(lean[1]), token_pad(plain[1]))
    # Of the actions' range of +-5: a random score network makes more of a difference than there was.
    np.testing.assert_allclose(lean[0], plain[0], atol=5 * 1e-5)


POLICIES = {
    "words": lambda folder: tiny_policy(folder, {"primary": images("image_primary")}),
    "denoised": lambda folder: tiny_policy(
        folder,
        {"primary": images("image_primary")},
        heads={"action": head("DiffusionActionHead", hidden_dim=8, time_dim=8, num_blocks=1, diffusion_steps=3)},
    ),
    "numbers, three readouts": lambda folder: tiny_policy(
        folder,
        {"primary": images("image_primary"), "proprio": numbers("proprio")},
        lowdim={"proprio": 5},
        readouts={"action": 3},
    ),
    "december 2023": lambda folder: tiny_policy(
        folder, {"primary": images("image_primary", goals=["image_.*"])}, correct=False, repeat=False
    ),
    "no words": lambda folder: tiny_policy(
        folder, {"primary": images("image_primary", goals=["image_.*"])}, language=False
    ),
    "window of three": lambda folder: tiny_policy(folder, {"primary": images("image_primary")}, window=3),
}


@pytest.mark.parametrize("name", POLICIES)
def test_attention_and_actions_are_the_plain_forwards(name, tmp_path):
    model = POLICIES[name](tmp_path)
    rng = np.random.default_rng(0)
    example = model.example_batch["observation"]
    frames = rng.integers(0, 256, (5, *example["image_primary"].shape[2:]), np.uint8)
    tasks = model.create_tasks(
        texts=None if model.text_processor is None else ["push the ball"],
        goals={"image_primary": frames[:1]} if model.text_processor is None else None,
    )
    lean = None
    for index, real in (([0] * model.window, False), (range(1, model.window + 1), True)):
        observation = dict(example)
        observation["image_primary"] = frames[list(index)][None]
        observation["timestep_pad_mask"] = np.array([[real] * (model.window - 1) + [True]])
        if "proprio" in observation:
            observation["proprio"] = rng.normal(size=observation["proprio"].shape).astype(np.float32)
        layout = model.token_layout(observation, tasks)
        rows = rows_of(layout)
        lean = lean or LeanEpisode.plan_for(model, tasks, layout, watched=rows, head="action")
        assert lean is not None
        check_same(*both(model, lean, observation, tasks, list(index), rows))


@pytest.fixture(scope="module")
def fast_run(demo_model, demo_episode):
    return osc.attend(
        demo_model, demo_episode, steps=[0, 1, 5], options=osc.WatchOptions(dtype="float32", compute="fast")
    )


def test_a_fast_run_is_the_exact_run_to_rounding(demo_run, fast_run):
    assert (demo_run.manifest["compute"], fast_run.manifest["compute"]) == ("exact", "fast")
    for step in demo_run.steps:
        for group in demo_run.query_groups:
            exact, fast = demo_run.attention(group, step=step), fast_run.attention(group, step=step)
            np.testing.assert_allclose(fast, exact, atol=1e-5)
    np.testing.assert_allclose(fast_run.actions, demo_run.actions, atol=5 * 1e-5)


def test_a_fast_run_does_not_depend_on_which_steps_were_asked(demo_model, demo_episode, fast_run):
    alone = osc.attend(demo_model, demo_episode, steps=[5], options=osc.WatchOptions(dtype="float32", compute="fast"))
    np.testing.assert_array_equal(
        alone.attention("readout_action", step=5), fast_run.attention("readout_action", step=5)
    )
    np.testing.assert_array_equal(alone.actions[0], fast_run.actions[2])


def test_bfloat16_moves_little_and_says_so(demo_model, demo_episode, demo_run):
    run = osc.attend(demo_model, demo_episode, steps=[5], options=osc.WatchOptions(dtype="float32", compute="bf16"))
    assert run.manifest["compute"] == "bf16"
    exact, rounded = (one.attention("readout_action", step=5) for one in (demo_run, run))
    moved = np.abs(rounded - exact).sum(axis=-1) / 2
    assert 1e-4 < moved.max() < 0.05
    np.testing.assert_allclose(rounded.sum(axis=-1), 1.0, atol=1e-5)


def test_what_is_not_covered_is_exact_or_refused(tmp_path):
    model, episode = POLICIES["words"](tmp_path), tiny_episode(steps=2)
    run = osc.attend(model, episode, steps=[1], options=osc.WatchOptions(query_groups="all", compute="fast"))
    assert run.manifest["compute"] == "exact"
    with pytest.raises(SelectionError, match="'bf16' does not cover rows of the prefix"):
        osc.attend(model, episode, steps=[1], options=osc.WatchOptions(query_groups="all", compute="bf16"))
    with pytest.raises(SelectionError, match=r"got 'fats'\. Did you mean 'fast'"):
        osc.attend(model, episode, steps=[1], options=osc.WatchOptions(compute="fats"))
