"""The embedded ACT's own simulator scenes, loss, folder and scores; whether it acts as its card says."""

import dataclasses
from functools import partial

import jax
import ml_dtypes
import numpy as np

from factory.act.episodes import record_episode
from factory.act.export import write_policy
from factory.act.losses import ImageStatistics, training_loss, vae_latent
from factory.act.parameters import all_shapes, fresh_parameters, is_trained, nested, sine_table
from factory.act.pictures import CHUNK, Pictures, draw_moments, load, picture, save
from factory.act.scenes import ACTION_ENTRIES, RED, red_object, red_scenes, red_task, wandering_tasks
from factory.act.shape import ACT, CAMERA_FEATURE
from factory.act.train import Statistics, TrainingState, draw, split, statistics_of
from factory.tabletop.closed_loop import run_episodes
from factory.tabletop.expert import expert_action
from factory.tabletop.physics import step_physics
from factory.tabletop.tasks import PICK_UP
from octoscope.policies.act.config import read_act_config
from octoscope.policies.lerobot_folder.features import STATE
from octoscope.policies.lerobot_folder.policy_folder import open_lerobot_folder

# Of the network that is trained, everything smaller.
TINY = dataclasses.replace(
    ACT, dim_model=8, heads=2, dim_feedforward=8, encoder_layers=1, decoder_layers=1, latent_dim=2, chunk_size=3
)


def test_scenes_hold_one_red_object_which_is_what_the_task_is_about():
    rng = np.random.default_rng(0)
    scenes = red_scenes(rng, 200)
    task = red_task(scenes)
    assert ((scenes.colour == RED).sum(axis=1) == 1).all()
    assert (scenes.colour[np.arange(200), task.target] == RED).all()
    assert (task.family == PICK_UP).all()
    assert set(red_object(scenes).tolist()) == {0, 1, 2, 3}
    wandering = wandering_tasks(rng, scenes)
    assert 0.75 < (wandering.target == task.target).mean() < 0.95
    assert (wandering.family == PICK_UP).all()


def test_the_expert_lifts_the_red_object():
    start = red_scenes(np.random.default_rng(1), 60)
    task = red_task(start)
    outcome = run_episodes(start, lambda state: expert_action(state, task), tasks=(task,))
    assert outcome.reached.all()
    assert (outcome.first_touched == task.target).mean() > 0.9


def test_pictures_show_the_hand_and_what_the_expert_would_do_next(renderer, tmp_path):
    state = draw_moments(np.random.default_rng(2), 6)
    pictures = picture(renderer, state)
    first = expert_action(state, red_task(state))
    second = expert_action(step_physics(state, first), red_task(state))
    np.testing.assert_allclose(pictures.actions[:, 0], first[:, ACTION_ENTRIES], atol=1e-6)
    np.testing.assert_allclose(pictures.actions[:, 1], second[:, ACTION_ENTRIES], atol=1e-6)
    assert pictures.actions.shape == (6, CHUNK, 4)
    np.testing.assert_allclose(pictures.hand[:, 3], state.opened)
    reds = renderer.segment(state, "primary") == (red_object(state) + 1)[:, None, None]
    seen = np.flatnonzero(reds.sum(axis=(1, 2)) > 60)
    assert len(seen)
    for row in seen:
        middle = (np.argwhere(reds[row]).mean(axis=0) / 128)[::-1]
        np.testing.assert_allclose(pictures.place[row], middle, atol=0.04)
    save(tmp_path / "shard_00000.npz", pictures)
    save(tmp_path / "shard_00001.npz", pictures)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.primary[6:], pictures.primary)
    training, held_out = split(loaded)
    assert (len(training), len(held_out)) == (6, 6)


def made_pictures(count=4, chunk=ACT.chunk_size):
    rng = np.random.default_rng(3)
    return Pictures(
        rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
        rng.normal(0.1, 0.2, (count, 4)).astype(np.float32),
        rng.normal(-0.3, 0.5, (count, chunk, 4)).astype(np.float32),
        rng.uniform(0, 1, (count, 2)).astype(np.float32),
    )


def test_statistics_are_of_pixels_from_0_to_1_and_make_numbers_standard():
    pictures = made_pictures(count=16)
    statistics = statistics_of(pictures)
    np.testing.assert_allclose(statistics.image[0], pictures.primary[:1].mean(axis=(0, 1, 2)) / 255, rtol=1e-5)
    batch = draw(pictures, np.arange(16), statistics)
    np.testing.assert_allclose(np.asarray(batch.actions).mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(np.asarray(batch.hand).std(axis=0), 1, atol=1e-4)


def test_without_a_draw_the_loss_is_of_what_the_policy_does_and_a_draw_lets_the_chunk_into_the_latent():
    pictures = made_pictures(chunk=TINY.chunk_size)
    statistics = statistics_of(pictures)
    batch = draw(pictures, np.arange(4), statistics)
    parameters = fresh_parameters(TINY, seed=0)
    loss = jax.jit(partial(training_loss, config=TINY, statistics=ImageStatistics(*statistics.image)))
    _, acted = loss(parameters, batch, None)
    (_, drawn), gradient = jax.jit(
        jax.value_and_grad(
            partial(training_loss, config=TINY, statistics=ImageStatistics(*statistics.image)), has_aux=True
        )
    )(parameters, batch, jax.random.PRNGKey(0))
    assert float(acted["kl"]) == 0.0 < float(drawn["kl"])
    # Every parameter that is trained learns, the VAE encoder's too; but what the decoder's zeros make of each other first.
    idle = {name for name, leaf in gradient.items() if is_trained(name) and not np.abs(leaf).any()}
    assert {
        name for name in idle if not name.startswith(("decoder.layers.0.self_attn.", "decoder.layers.0.norm1."))
    } == set()
    # What the VAE tells depends on the chunk.
    mean, log_variance = vae_latent(nested(parameters), TINY, batch.hand[0], batch.actions[0])
    assert mean.shape == log_variance.shape == (TINY.latent_dim,)
    other, _ = vae_latent(nested(parameters), TINY, batch.hand[0], batch.actions[1])
    assert not np.allclose(mean, other)


def test_positions_of_the_vae_encoder_by_hand():
    table = sine_table(3, 4)
    np.testing.assert_allclose(table[2], [np.sin(2), np.cos(2), np.sin(2 / 100), np.cos(2 / 100)], rtol=1e-6)


def test_a_folder_is_written_as_lerobot_lays_it_out_and_opened_as_any_other(tmp_path):
    parameters = fresh_parameters(ACT, seed=1)
    shifted = {name: leaf + 0.01 for name, leaf in parameters.items()}
    pair = (np.arange(4, dtype=np.float32), np.arange(1, 5, dtype=np.float32))
    statistics = Statistics((np.full(3, 0.4, np.float32), np.full(3, 0.2, np.float32)), pair, pair)
    write_policy(tmp_path / "policy", TrainingState(parameters, shifted, None), statistics)
    folder = open_lerobot_folder(tmp_path / "policy", kind="act")
    assert (folder.config.unknown, folder.remarks) == ((), ())
    assert read_act_config(folder.config) == ACT
    acting = {name: leaf for name, leaf in shifted.items() if not name.startswith("question")}
    assert set(folder.weights) == {f"model.{name}" for name in acting}
    for name, leaf in acting.items():
        np.testing.assert_array_equal(folder.weights[f"model.{name}"], np.asarray(leaf).astype(ml_dtypes.bfloat16))
    feature = {feature.name: feature for feature in folder.config.inputs}
    state = folder.normalized_numbers(feature[STATE], np.full(4, 3, np.float32))
    np.testing.assert_allclose(state, [3, 2 / 2, 1 / 3, 0], atol=1e-6)
    picture = folder.normalized_image(feature[CAMERA_FEATURE], np.full((128, 128, 3), 153, np.uint8))
    np.testing.assert_allclose(picture, (0.6 - 0.4) / 0.2, rtol=1e-5)
    np.testing.assert_allclose(folder.robot_actions(np.ones((2, 4), np.float32), state=None), [[1, 3, 5, 7]] * 2)


def test_an_episode_ends_well_and_its_mask_shows_the_red_object(renderer):
    episode = record_episode(renderer, seed=77)
    target = int(episode.extras["target_id"][0])
    assert episode.extras["success"][-1]
    assert not episode.extras["success"][0]
    shown = episode.images["primary"][0][episode.extras["mask_primary"][0] == target].astype(int)
    assert (shown[:, 0] > 1.5 * shown[:, 1:].max(axis=1)).mean() > 0.9
    assert episode.instruction.startswith("pick up the red ")
    assert episode.actions is not None
    assert (episode.actions.shape[1], episode.extras["state"].shape[1]) == (4, 4)


def test_shapes_are_those_of_the_network_and_of_a_vae_encoder():
    shapes = all_shapes(TINY)
    assert shapes["vae_encoder.layers.0.self_attn.in_proj_weight"] == (24, 8)
    assert shapes["vae_encoder_latent_output_proj.weight"] == (4, 8)
    assert shapes["vae_encoder_pos_enc"] == (1, 5, 8)
