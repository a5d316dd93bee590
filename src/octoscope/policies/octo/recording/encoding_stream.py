"""The encodings that a run keeps: those of the instruction once, the others step by step."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array

from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.recording.encodings import capture_chosen, encoding_points
from octoscope.policies.recording import Arrays
from octoscope.tokens.encoding_point import EncodingPoint, choose_points, stored_encodings


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
        return stored_encodings(jax.device_get(_cast(captured, dtype=self.dtype)), points, dtype=self.dtype)


@functools.partial(jax.jit, static_argnames=("dtype",))
def _cast(captured: Mapping[str, Array], *, dtype: str) -> Mapping[str, Array]:
    return {name: array.astype(dtype) for name, array in captured.items()}
