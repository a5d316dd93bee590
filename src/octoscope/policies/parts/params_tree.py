"""Parameters from a file's flat names to nested dicts, checked against what a network needs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from octoscope.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]


def nest(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested dicts of leaves whose names are joined by ".".

    >>> nest({"a.b": 1, "a.c": 2})
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


def check_fit(
    weights: Mapping[str, np.ndarray], wanted: Shapes, *, idle: Callable[[str], bool], policy: str, source: str
) -> None:
    """Compares the arrays of a file with those that a network is made of.

    Args:
      weights: By their names in the file.
      wanted: Shapes by the same names.
      idle: Whether an array that is not wanted is known to change no action.
      policy: What the network is called, for the error.
      source: The file, for the error.

    Raises:
      CheckpointError: If one is missing, has another shape, or belongs to no part of the network.
    """
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
