"""The training's parts, on a policy of one layer and a few drawn scenes."""

import dataclasses

import jax
import numpy as np
import pytest

from factory.demo.training import policy_shape
from factory.demo.training.batches import action_statistics, normalize, policy_batch, text_tasks
from factory.demo.training.losses import Teacher, training_loss
from factory.demo.training.state import fresh_state, sine_positions, widen_window
from factory.demo.training.train import ENTRIES, FACTS, build_policy
from factory.demo.training.visits import visit
from factory.demo.word_tokenizer import word_tokenizer
from factory.tabletop.pair_codec import decode_pair
from factory.tabletop.shards import make_shard
from factory.tabletop.state import take
from factory.tabletop.training_data import TrainingData, join, sample_batch
from octoscope.embedded.instructions import TEMPLATES, word_list
from octoscope.policies.octo.model import OctoModel


@pytest.fixture(scope="module")
def data(renderer) -> TrainingData:
    shard = make_shard(renderer, seed=11, number=0, pairs=8)
    return TrainingData(shard.states, shard.primary, shard.wrist)


@pytest.fixture(scope="module")
def small():
    policy = build_policy()
    module = policy.clone(octo_transformer=policy.octo_transformer.clone(num_layers=1, mlp_dim=32))
    teacher = Teacher(ENTRIES, FACTS)
    return module, teacher, fresh_state(module, teacher, policy_shape.example_batch(), seed=0)


def test_pictures_that_examples_share_are_encoded_once_to_the_same_loss(data, small):
    module, teacher, state = small
    tokenizer, statistics = word_tokenizer(word_list()), action_statistics(data, pairs=64)
    drawn = sample_batch(data, np.random.default_rng(0), 6, tasks_per_pair=3)
    key = jax.random.PRNGKey(0)

    @jax.jit
    def loss(batch):
        return training_loss(
            state.params, module=module, teacher=teacher, batch=batch, rng=key, auxiliary=True, jitter=False
        )

    for window in (1, 2):
        shared = policy_batch(drawn, tokenizer, statistics, window=window, tasks_per_pair=3)
        alone = policy_batch(drawn, tokenizer, statistics, window=window)
        assert len(shared["observations"]["image_primary"]) == 2
        assert len(alone["observations"]["image_primary"]) == 6
        found, expected = loss(shared), loss(alone)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
        assert found[1].keys() == expected[1].keys()


def test_examples_of_one_pair_share_pictures_and_first_steps_but_not_tasks(data):
    drawn = sample_batch(data, np.random.default_rng(1), 24, tasks_per_pair=3)
    for start in range(0, 24, 3):
        assert (drawn.primary[start] == drawn.primary[start + 2]).all()
        assert len({bool(real) for real in drawn.timestep_pad_mask[start : start + 3, 0]}) == 1
    assert len(set(drawn.instructions)) > 12
    with pytest.raises(ValueError, match="multiple of `tasks_per_pair`"):
        sample_batch(data, np.random.default_rng(1), 25, tasks_per_pair=3)


def test_pictures_of_full_hands_can_be_drawn_more_often(data):
    held = np.full(len(data), -1)
    held[:2] = 1
    full = TrainingData((data.states[0], dataclasses.replace(data.states[1], held=held)), data.primary, data.wrist)
    drawn = sample_batch(full, np.random.default_rng(1), 200, carrying=0.9)
    assert (drawn.states[1].held == 1).mean() > 0.8
    joined = join([data, full])
    assert len(joined) == 2 * len(data)
    assert joined.primary[len(data)] == data.primary[0]


def test_a_saved_training_goes_on_where_it_was(tmp_path, small):
    module, teacher, state = small
    later = dataclasses.replace(state, steps=7, samples=924, seconds=1.5, window=1)
    later.save(tmp_path / "state.msgpack")
    again = fresh_state(module, teacher, policy_shape.example_batch(), seed=5).restore(tmp_path / "state.msgpack")
    assert (again.steps, again.samples, again.seconds, again.window) == (7, 924, 1.5, 1)
    jax.tree.map(np.testing.assert_array_equal, again.params, state.params)
    jax.tree.map(np.testing.assert_array_equal, again.optimizer, state.optimizer)


def test_the_second_timestep_begins_with_the_positions_of_the_first(small):
    _, _, state = small
    wide = widen_window(state)
    for params in (wide.params, wide.average):
        positions = params["policy"]["octo_transformer"]["obs_primary_pos_embedding"]
        np.testing.assert_array_equal(positions[:, 0], positions[:, 1])
    assert (state.params["policy"]["octo_transformer"]["obs_primary_pos_embedding"][:, 0] != positions[:, 0]).sum() == 0


def test_sine_positions_tell_every_patch_from_every_other():
    positions = sine_positions(8, 128)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    assert distances[~np.eye(64, dtype=bool)].min() > 0.5


def test_every_instruction_fits_the_policy_and_every_word_is_known():
    tokenizer = word_tokenizer(word_list())
    longest = [
        template.format(target="purple cylinder", reference="orange pyramid", side="right")
        for templates in TEMPLATES
        for template in templates
    ]
    tasks = text_tasks(longest, tokenizer)
    ids = tasks["language_instruction"]["input_ids"]
    assert ids.shape == (len(longest), policy_shape.MAX_PIECES)
    assert not (ids == tokenizer.token_to_id("<unk>")).any()


def test_actions_that_never_move_are_left_as_they_are(data):
    statistics = action_statistics(data, pairs=256)
    actions = sample_batch(data, np.random.default_rng(3), 64).actions
    scaled = normalize(actions, statistics)
    assert (scaled[..., 3:6] == 0).all()
    back = scaled * statistics["std"] + statistics["mean"]
    np.testing.assert_allclose(back[..., :3], actions[..., :3], atol=1e-5)


def test_visits_keep_what_the_policy_saw_and_where_it_was(renderer):
    shard = visit(OctoModel.load_pretrained("demo"), renderer, seed=[3, 0], episodes=2, steps=4)
    assert len(shard.states[1]) == len(shard.primary) == len(shard.wrist) == 2 * 3
    first = take(shard.states[0], slice(0, 1)), take(shard.states[1], slice(0, 1))
    pictures = decode_pair(shard.primary[0], size=128)
    for picture, state in zip(pictures, first, strict=True):
        drawn, _ = renderer.render_both(state)
        assert np.abs(drawn[0].astype(int) - picture).mean() < 3
    assert np.abs(shard.states[1].gripper - shard.states[0].gripper).max() > 0.01
