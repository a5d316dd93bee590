"""Masks and sequences of configurations that no official fixture covers, against the rules written out as loops."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.errors import ConfigError, ObservationError, SelectionError
from octoscope.policies.octo.network.states import attention_weights
from octoscope.policies.octo.network.transformer import OctoTransformer
from tiny_policies import head, images, numbers, tiny_policy

TOKENS = {"task_language": 4, "obs_primary": 4, "obs_both": 4, "obs_proprio": 3, "obs_task_language": 4}
READOUTS = {"value": 2, "action": 6}


def policy(folder, **options):
    return tiny_policy(
        folder / "ckpt",
        {
            "both": images("image_.*"),
            "proprio": numbers("proprio"),
            "primary": images("image_primary"),
        },
        cameras={"primary": (32, 32), "wrist": (32, 32)},
        lowdim={"proprio": 3},
        readouts=READOUTS,
        heads={
            "action": head("TokenPerDimActionHead", vocab_size=4),
            "mean": head("ContinuousActionHead", readout_key="readout_action"),
            "pooled": head("MSEActionHead", readout_key="readout_value"),
        },
        **options,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return policy(tmp_path_factory.mktemp("policy"))


def inputs(model, window, *, batch=1, told=True):
    rng = np.random.default_rng(0)
    example = model.example_batch["observation"]
    observation: dict[str, Any] = {
        key: rng.integers(0, 255, (batch, window, *value.shape[2:])).astype(value.dtype)
        for key, value in example.items()
        if key in ("image_primary", "image_wrist", "proprio")
    }
    if told:
        present = {key: np.ones((batch, window), bool) for key in observation}
        present["image_wrist"][0, 0] = present["image_primary"][0, :1] = False
        present["proprio"][:] = False
        observation["pad_mask_dict"] = present
    pad = np.ones((batch, window), bool)
    pad[0, 0] = window == 1
    return observation, model.create_tasks(texts=["push the ball"] * batch), pad


def written_out(window, *, repeat, correct, key_mask):
    """The mask by the rules, token by token, with the bookkeeping of the original's lookup."""
    prefix = ["task_language"]
    timestep = ["obs_both", "obs_proprio", "obs_primary", *(["obs_task_language"] if repeat else [])]
    timestep += [f"readout_{name}" for name in READOUTS]
    size = TOKENS | {f"readout_{name}": count for name, count in READOUTS.items()}

    def found(names, offset):
        ends = np.cumsum([size[name] for name in names])
        return names[int(np.searchsorted(ends, offset, side="right" if correct else "left"))]

    tokens = [(found(prefix, i), -1) for i in range(4)]
    for t in range(window):
        tokens += [(found(timestep, i), t) for i in range(sum(size[name] for name in timestep))]
    mask = np.zeros((len(tokens), len(tokens)), bool)
    for i, (query, at) in enumerate(tokens):
        for j, (key, when) in enumerate(tokens):
            allowed = key.startswith("task_")
            if not query.startswith("task_"):
                allowed |= key.startswith("obs_") or (query.startswith("readout_") and key == query)
            mask[i, j] = allowed and when <= at and key_mask[j]
    return mask


@pytest.mark.parametrize(("window", "repeat", "correct"), [(1, True, True), (2, False, False), (3, True, False)])
def test_mask_equals_the_rules_written_out(tmp_path, window, repeat, correct):
    model = policy(tmp_path, repeat=repeat, correct=correct, window=2)
    observation, tasks, pad = inputs(model, window)
    _, states = model.run_transformer(observation, tasks, pad, mutable=["intermediates"])
    mask = np.asarray(states["intermediates"]["octo_transformer"]["BlockTransformer_0"]["attention_mask"][0])[0, 0]
    present = observation["pad_mask_dict"]
    key_mask = [True] * 4
    for t in range(window):
        real = bool(pad[0, t])
        both = real and bool(present["image_primary"][0, t] or present["image_wrist"][0, t])
        # Numbers are masked with their timestep alone, whatever the pad mask says of them.
        key_mask += [both] * 4 + [real] * 3 + [real and bool(present["image_primary"][0, t])] * 4
        key_mask += [True] * (4 * repeat + sum(READOUTS.values()))
    np.testing.assert_array_equal(mask, written_out(window, repeat=repeat, correct=correct, key_mask=key_mask))
    weights = np.asarray(attention_weights(states))[0]
    sees = mask.any(axis=-1)
    assert not weights[:, :, sees][..., ~mask[sees]].any()


def test_one_untold_key_switches_masking_off_for_its_tokenizer(model):
    observation, tasks, pad = inputs(model, 2)
    pad[:] = True
    told = dict(observation["pad_mask_dict"])
    del told["image_wrist"]
    outputs = model.run_transformer({**observation, "pad_mask_dict": told}, tasks, pad)
    assert np.asarray(outputs["obs_both"].mask).all()
    assert not np.asarray(outputs["obs_primary"].mask)[0, 0].any()
    untold = {key: value for key, value in observation.items() if key != "pad_mask_dict"}
    assert np.asarray(model.run_transformer(untold, tasks, pad)["obs"].mask).all()


def test_groups_come_in_the_order_of_the_config_and_readouts_as_asked(model):
    observation, tasks, pad = inputs(model, 2)
    order = ("task_language", "obs_both", "obs_proprio", "obs_primary", "obs_task_language")
    layout = model.token_layout(observation, tasks, pad)
    assert layout.groups == (*order, "readout_value", "readout_action")

    def read(module, readouts):
        transformer: OctoTransformer = module.octo_transformer
        return transformer(*jax.tree.map(jnp.asarray, (observation, tasks, pad)), readouts=readouts)

    def apply(readouts):
        return model.module.apply({"params": model.params}, readouts, method=read)

    swapped = list(apply(["action", "value"]))
    assert [name for name in swapped if name.startswith("readout_")] == ["readout_action", "readout_value"]
    alone = apply(["value"])
    np.testing.assert_allclose(alone["readout_value"].tokens, apply(None)["readout_value"].tokens, atol=1e-5)
    with pytest.raises(SelectionError, match=r"no readout 'valu'\. It has: value, action\. Did you mean 'value'"):
        apply(["valu"])


def test_several_heads_on_one_readout_act(model):
    observation, tasks, pad = inputs(model, 2)
    for name in ("mean", "pooled"):
        actions, _ = model.act(observation, tasks, pad, head=name)
        assert actions.shape == (1, 2, 3)


def test_windows_up_to_the_last_position_and_no_further(model):
    for window in (1, 4):
        observation, tasks, pad = inputs(model, window)
        assert model.token_layout(observation, tasks, pad).window == window
    observation, tasks, pad = inputs(model, 5)
    with pytest.raises(ObservationError, match="holds 5 timesteps, but this policy's positions end at 4"):
        model.run_transformer(observation, tasks, pad)


def test_a_shorter_window_uses_the_first_positions(model):
    observation, tasks, pad = inputs(model, 2, told=False)
    pad[:] = True
    first = {key: value[:, :1] for key, value in observation.items()}
    whole = model.run_transformer(observation, tasks, pad)
    alone = model.run_transformer(first, tasks, pad[:, :1])
    # What comes later is not seen, so timestep 0 is the same with and without it.
    np.testing.assert_allclose(alone["obs_primary"].tokens[:, 0], whole["obs_primary"].tokens[:, 0], atol=1e-5)


def test_tokenizers_without_input_yield_nothing(model):
    observation, tasks, pad = inputs(model, 2, told=False)
    seen = {key: value for key, value in observation.items() if key != "proprio"}
    assert "obs_proprio" not in model.token_layout(seen, tasks, pad).groups
    wordless = {key: value for key, value in tasks.items() if key != "language_instruction"}
    groups = model.token_layout(seen, wordless, pad).groups
    assert groups == ("obs_both", "obs_primary", "readout_value", "readout_action")


def test_without_proper_pad_mask_a_missing_input_is_refused(tmp_path):
    strict = {"primary": images("image_primary"), "proprio": numbers("proprio", proper_pad_mask=False)}
    model = tiny_policy(tmp_path / "ckpt", strict, lowdim={"proprio": 3})
    batch = model.example_batch
    observation = {key: value for key, value in batch["observation"].items() if key != "proprio"}
    with pytest.raises(ObservationError, match=r"proprio' has `proper_pad_mask` false.*matching"):
        model.run_transformer(observation, batch["task"])


def test_numbers_without_keys_or_of_another_rank_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no `obs_keys`"):
        tiny_policy(tmp_path / "ckpt", {"proprio": numbers()}, cameras={})
    with pytest.raises(ObservationError, match=r"'timestep_pad_mask' must have shape \(batch, window, numbers\)"):
        tiny_policy(tmp_path / "other", {"time": numbers("timestep_pad_mask")}, cameras={})


def test_tasks_and_observations_of_different_batch_sizes_are_refused(model):
    observation, _, pad = inputs(model, 2, batch=2)
    with pytest.raises(ObservationError, match="task 'image_primary' must lead with the batch 2"):
        model.run_transformer(observation, model.create_tasks(texts=["push"]), pad)
    with pytest.raises(ObservationError, match="`timestep_pad_mask` must be"):
        model.run_transformer(observation, model.create_tasks(texts=["push"] * 2), pad[0])
