"""Parameters from a file's flat names to nested dicts, checked against what a network needs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.checkpoints.safetensors_file import copy_mapped
from octoscope.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
# Before each name in LeRobot's files.
PREFIX = "model."
# Bytes in float32.
_LARGE = 4 * 10**9


def load_params(
    weights: Mapping[str, np.ndarray],
    shapes: Shapes,
    *,
    idle: Callable[[str], bool],
    policy: str,
    source: str,
    arrange: Callable[[np.ndarray], np.ndarray] = lambda array: array,
    keep_bfloat16: bool = False,
) -> dict[str, Any]:
    """Returns the parameters on the default device as nested dicts, in float32 whatever the file holds; memory holds each once.

    Args:
      weights: Arrays by their names in the file; each is read once, and only what acts.
      shapes: Of every parameter that acts, by its name without "model.".
      idle: Whether an array of the file that is not wanted is known to change no action.
      policy: What the network is called, for errors.
      source: The file, for errors.
      arrange: Brings an array to the order of axes that the network takes.
      keep_bfloat16: Whether the network takes matrices as bfloat16, and makes float32 of them where it multiplies, which changes no
        number. They stay as they are on a GPU, and in a network that would take more than 4 GB in float32; elsewhere a
        processor would spend more time on that than the multiplication takes.

    Raises:
      CheckpointError: If a parameter is missing, has another shape, or belongs to no part of this network.
    """
    _check_fit(weights, {PREFIX + name: shape for name, shape in shapes.items()}, idle, policy=policy, source=source)

    large = 4 * sum(math.prod(shape) for shape in shapes.values()) > _LARGE
    keeps = keep_bfloat16 and (large or jax.default_backend() != "cpu")

    def place(name: str) -> jax.Array:
        array = arrange(weights[PREFIX + name])
        stays = keeps and array.ndim > 1 and array.dtype == jnp.bfloat16
        # A copy of our own: the file may be overwritten while the policy runs.
        return jax.device_put(copy_mapped(array, array.dtype if stays else np.dtype(np.float32)))

    return _nested({name: place(name) for name in shapes})


def _nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested dicts of leaves whose names are joined by ".".

    >>> _nested({"a.b": 1, "a.c": 2})
    {'a': {'b': 1, 'c': 2}}
    """
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = leaf
    return tree


def _check_fit(
    weights: Mapping[str, np.ndarray], wanted: Shapes, idle: Callable[[str], bool], *, policy: str, source: str
) -> None:
    faults = [f"'{name}' {shape} is missing" for name, shape in wanted.items() if name not in weights]
    faults += [
        f"'{name}' is {weights[name].shape}, not {shape}"
        for name, shape in wanted.items()
        if name in weights and weights[name].shape != shape
    ]
    faults += [f"'{name}' belongs to no part of it" for name in weights if name not in wanted and not idle(name)]
    if faults:
        raise CheckpointError(
            f"{source} does not fit the {policy} that its config.json describes: {'; '.join(faults[:4])}"
            f"{f'; and {len(faults) - 4} more' if len(faults) > 4 else ''}. Take both files from one saved policy."
        )
