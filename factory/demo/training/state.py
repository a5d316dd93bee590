"""Everything a training needs to go on after a stop, in one file that is replaced whole."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import serialization, traverse_util

from factory.demo.training.batches import GRID
from factory.demo.training.losses import Teacher
from octoscope.policies.octo.network.module import OctoModule

_POSITION_SCALE = 0.3


@dataclass(frozen=True)
class TrainingState:
    """Parameters, their moving average, the optimiser, and how far the training got."""

    params: Any
    average: Any
    optimizer: Any
    steps: int = 0
    samples: int = 0
    # Of computing, over all sittings.
    seconds: float = 0.0
    # Of the window that the last step used; 0 before the first.
    window: int = 0

    def save(self, path: Path) -> None:
        """Replaces the file in one move."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = serialization.to_state_dict(vars(self))
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(serialization.msgpack_serialize(jax.device_get(fields)))
        os.replace(partial, path)  # noqa: PTH105

    def restore(self, path: Path) -> "TrainingState":
        """Returns the state in a file; `self` gives its structure."""
        stored: Any = serialization.msgpack_restore(path.read_bytes())
        fields = serialization.from_state_dict(vars(self), stored)
        return TrainingState(**fields)


def make_optimizer() -> optax.GradientTransformation:
    """Returns AdamW without its learning rate, which the recipe sets at each step."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b1=0.9, b2=0.97),
        optax.add_decayed_weights(0.01, mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim >= 2, tree)),
    )


def fresh_state(module: OctoModule, teacher: Teacher, example: dict[str, Any], *, seed: int) -> TrainingState:
    """Returns random parameters; image positions begin as faint sines over the grid, or they would stay near zero."""
    observation = example["observation"]
    policy_key, teacher_key = jax.random.split(jax.random.PRNGKey(seed))
    inputs = observation, example["task"], observation["timestep_pad_mask"]
    policy = jax.jit(module.init)(policy_key, *inputs)["params"]
    flat: dict[str, Any] = traverse_util.flatten_dict(policy, sep="/")
    embed = module.octo_transformer.token_embedding_size
    for path, leaf in flat.items():
        if path.endswith(("obs_primary_pos_embedding", "obs_wrist_pos_embedding")):
            grid = sine_positions(round(leaf.shape[2] ** 0.5), leaf.shape[3])
            flat[path] = leaf + _POSITION_SCALE * grid
        if path.endswith("SelfAttention/q/kernel"):
            # T5 leaves out the division by sqrt(d_kv); its initialisation makes up for it.
            flat[path] = leaf / 16**0.5
    readout, patches = jnp.zeros((1, 1, embed)), jnp.zeros((1, 1, GRID**2, embed))
    params = {
        "policy": traverse_util.unflatten_dict(flat, sep="/"),
        "teacher": teacher.init(teacher_key, readout, patches)["params"],
    }
    # A copy of its own, because a training step gives the average's memory back.
    return TrainingState(params, jax.tree.map(jnp.copy, params), make_optimizer().init(params))


def sine_positions(side: int, embed: int) -> np.ndarray:
    """Returns (side * side, embed): sines and cosines of the row, then of the column, at growing wavelengths."""
    quarter = embed // 4
    frequency = 1.0 / 100.0 ** (np.arange(quarter) / quarter)
    rows, columns = np.divmod(np.arange(side * side), side)
    parts = [wave(place[:, None] * frequency) for place in (rows, columns) for wave in (np.sin, np.cos)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def widen_window(state: TrainingState) -> TrainingState:
    """Gives the second timestep the positions that the first has learnt, before training goes on with two."""

    def copied(tree: Any) -> Any:
        flat: dict[str, Any] = traverse_util.flatten_dict(tree, sep="/")
        for path, leaf in flat.items():
            if path.endswith("_pos_embedding") and leaf.ndim == 4:
                flat[path] = jnp.broadcast_to(leaf[:, :1], leaf.shape)
        return traverse_util.unflatten_dict(flat, sep="/")

    params = {**state.params, "policy": copied(state.params["policy"])}
    average = {**state.average, "policy": copied(state.average["policy"])}
    return replace(state, params=params, average=average)
