"""A place in the policy where encodings are captured: its name, shape and axes, and how names are chosen by pattern."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from octoscope.errors import SelectionError, nearest

_SHOWN = 12


@dataclass(frozen=True)
class EncodingPoint:
    """One array of a forward, without its batch axis."""

    # Such as "blocks.3.residual"; docs/encodings.md lists them.
    name: str
    shape: tuple[int, ...]
    # What each axis is, in the words of `array_typing`; rows of a stack that are not the whole sequence are "token_STACK".
    axes: tuple[str, ...]
    # Where it is made, in the parameter tree: "octo_transformer/BlockTransformer_0/Transformer_0/encoderblock_3".
    module: str
    # The token group whose tokens these are; None where the whole sequence is, or a feature map.
    group: str | None
    # Whether it depends on the instruction alone, so that it is the same at every step of an episode.
    constant: bool
    # What is read there, whatever the policy: "text.embedding", "text.layer", "text.final" (inside a text encoder), "tokenizer",
    # "projection", "embedding" (a group's tokens as they enter the sequence), "input", "attention", "mlp", "residual", "final" (of a
    # stack), "map", "map.input" (of an image encoder), "film.before", "film.after", "film.scale", "film.shift".
    stage: str = ""
    # The stack of attention whose queries these are, in the order of its query groups; None outside of any.
    stack: str | None = None
    # Of the stack, or of the text encoder; None before the first and behind the last.
    layer: int | None = None
    # Which one of several alike: the text encoder ("T5"), the layer of an image encoder, the FiLM layer ("primary.0").
    place: str = ""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the axes under which arrays of one run agree in length: what xarray needs to open them side by side."""
        if self.group is None:
            return self._own_axes() if self.stack is None else self.axes
        # After the projection every token is as wide as the policy.
        kind = self.place.lower() or self.stage
        embed = "embed" if self.stage in ("projection", "embedding") else f"embed_{self.group}.{kind}"
        names = {"token": f"token_{self.group}", "embed": embed}
        return tuple(names.get(axis, axis) for axis in self.axes)

    def _own_axes(self) -> tuple[str, ...]:
        return tuple(axis if axis == "window" else f"{axis}_{self.name}" for axis in self.axes)

    def nbytes(self, dtype: str) -> int:
        """Returns what the array of one step takes before compression."""
        return math.prod(self.shape) * np.dtype(dtype).itemsize

    def to_json(self) -> dict[str, Any]:
        """Returns plain dicts and lists, for a run's manifest."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "axes": list(self.axes),
            "module": self.module,
            "group": self.group,
            "constant": self.constant,
            "stage": self.stage,
            "stack": self.stack,
            "layer": self.layer,
            "place": self.place,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "EncodingPoint":
        """Reads what `to_json` wrote; runs that were made before there were stages have none."""
        told = {name: data[name] for name in ("stage", "stack", "layer", "place") if name in data}
        return cls(
            data["name"],
            tuple(data["shape"]),
            tuple(data["axes"]),
            data["module"],
            data["group"],
            data["constant"],
            **told,
        )


def choose_points(points: Sequence[EncodingPoint], patterns: str | Sequence[str]) -> tuple[EncodingPoint, ...]:
    """Returns the points that any pattern names, in the order of the forward.

    Args:
      points: All there are.
      patterns: Names, in which `*` stands for anything and `?` for one character.

    Raises:
      SelectionError: If a pattern names nothing, offering the nearest; or none is given.

    >>> points = [EncodingPoint(f"blocks.{n}.mlp", (9, 4), ("token", "embed"), "", None, False) for n in range(2)]
    >>> [point.name for point in choose_points(points, "blocks.*.mlp")]
    ['blocks.0.mlp', 'blocks.1.mlp']
    >>> choose_points(points, ["blocks.1.mpl"])
    Traceback (most recent call last):
    ...
    octoscope.errors.SelectionError: The policy has no encodings 'blocks.1.mpl'. Did you mean 'blocks.1.mlp'? It has: blocks.N.mlp.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    names = [point.name for point in points]
    if not wanted:
        raise SelectionError(f"`encodings` must name at least one point, got none. Points: {_families(names)}.")
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = dict.fromkeys([*names, *(re.sub(r"\.\d+\.", ".*.", name) for name in names)])
            raise SelectionError(
                f"The policy has no encodings '{pattern}'.{nearest(pattern, known)} It has: {_families(names)}."
            )
    return matching_points(points, wanted)


def matching_points(points: Sequence[EncodingPoint], patterns: Sequence[str]) -> tuple[EncodingPoint, ...]:
    """Returns the points that any pattern names, in the order of the forward; a pattern may name none.

    >>> points = [EncodingPoint("blocks.final", (9, 4), ("token", "embed"), "", None, False)]
    >>> [point.name for point in matching_points(points, ["film.*", "blocks.*"])]
    ['blocks.final']
    """
    return tuple(point for point in points if any(fnmatchcase(point.name, pattern) for pattern in patterns))


def _families(names: Sequence[str]) -> str:
    """Returns the names with numbers written as N, each once; the first dozen."""
    families = list(dict.fromkeys(re.sub(r"(?<=[._])\d+(?=[.]|$)", "N", name) for name in names))
    more = len(families) - _SHOWN
    return ", ".join(families[:_SHOWN]) + (f" and {more} more kinds" if more > 0 else "")


def stored_encodings(
    made: Mapping[str, np.ndarray], points: Sequence[EncodingPoint], *, dtype: str
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Returns encodings as a run stores them, by the names of its arrays, with the names of their axes.

    Raises:
      SelectionError: If an encoding is too large for the stored type.
    """
    with np.errstate(over="ignore"):
        stored = {point.name: np.asarray(made[point.name]).astype(dtype) for point in points}
    for point in points:
        if np.isinf(stored[point.name]).any():
            raise SelectionError(
                f"The encodings '{point.name}' reach beyond {np.finfo(dtype).max:.0f}, the largest {dtype}: "
                "keep them with `dtype` float32 (--precision float32)."
            )
    return {f"encodings/{point.name}": (stored[point.name], point.dimensions) for point in points}
