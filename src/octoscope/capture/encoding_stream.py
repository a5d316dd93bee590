"""The encodings that a run keeps: those of the instruction once, the others step by step."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from octoscope.capture.encodings import capture_chosen, encoding_points
from octoscope.errors import SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.encoding_point import EncodingPoint, choose_points

# By name, an array and the names of its axes without the step's.
Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class EncodingStream:
    """Captures chosen points at one step after another; holds no step in memory."""

    model: OctoModel
    # From `OctoModel.create_tasks`.
    tasks: Mapping[str, Any]
    points: tuple[EncodingPoint, ...]
    # Of what is stored.
    dtype: str

    @classmethod
    def plan_for(
        cls,
        model: OctoModel,
        observation: Mapping[str, Any],
        tasks: Mapping[str, Any],
        patterns: str | Sequence[str],
        *,
        dtype: str,
    ) -> "EncodingStream":
        """Returns the stream of the points that the patterns name.

        Raises:
          SelectionError: If a pattern names nothing.
        """
        return cls(model, tasks, choose_points(encoding_points(model, observation, tasks), patterns), dtype)

    @property
    def bytes_per_step(self) -> int:
        """What the encodings of one step take before compression."""
        return sum(point.nbytes(self.dtype) for point in self.points if not point.constant)

    def constants(self, observation: Mapping[str, Any]) -> Arrays:
        """Returns what is the same at every step."""
        return self._capture(observation, [point for point in self.points if point.constant])

    def arrays_at(self, observation: Mapping[str, Any]) -> Arrays:
        """Returns what differs from step to step, for one of them.

        Raises:
          SelectionError: If an encoding is too large for the stored type.
        """
        return self._capture(observation, [point for point in self.points if not point.constant])

    def _capture(self, observation: Mapping[str, Any], points: Sequence[EncodingPoint]) -> Arrays:
        if not points:
            return {}
        captured = capture_chosen(self.model, observation, self.tasks, tuple(point.name for point in points))
        stored = jax.device_get(_cast(captured, dtype=self.dtype))
        for point in points:
            if np.isinf(stored[point.name]).any():
                raise SelectionError(
                    f"The encodings '{point.name}' reach beyond {np.finfo(self.dtype).max:.0f}, the largest {self.dtype}: "
                    "keep them with `dtype` float32 (--precision float32)."
                )
        return {f"encodings/{point.name}": (stored[point.name], point.dimensions) for point in points}


@functools.partial(jax.jit, static_argnames=("dtype",))
def _cast(captured: Mapping[str, Array], *, dtype: str) -> Mapping[str, Array]:
    return {name: array.astype(dtype) for name, array in captured.items()}
