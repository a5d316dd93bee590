"""What makes the arrays of a run: a policy's own way, where it has one, such as several steps in one forward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from octoscope.policies.bind import BoundEpisode
from octoscope.tokens.attention_selection import AttentionSelection

# By name, an array and the names of its axes without the step's.
Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]


@dataclass(frozen=True)
class RecordOptions:
    """How a run is made, once its rows are chosen."""

    # Of the noise; that of a step depends on the seed and the step alone.
    seed: int = 0
    # Of the stored weights and encodings.
    dtype: str = "float16"
    # "exact", or another way of computing that the family offers.
    compute: str = "exact"
    # Steps in one forward; by the device with None.
    batch: int | None = None
    # Points or patterns whose encodings are kept.
    encodings: str | tuple[str, ...] = ()


@runtime_checkable
class Recorder(Protocol):
    """Makes the arrays that a run stores, step by step."""

    @property
    def batch(self) -> int:
        """Steps in one forward."""
        ...

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Returns what the manifest says of how it computes: "compute", "batch", "encodings" where there are some."""
        ...

    def constants(self) -> Arrays:
        """Returns what does not come step by step."""
        ...

    def arrays_of(self, steps: Sequence[int]) -> list[Arrays]:
        """Returns the arrays of each of at most `batch` steps."""
        ...


@runtime_checkable
class RecordsRuns(Protocol):
    """A policy with a recorder of its own."""

    def recorder(
        self, bound: BoundEpisode, selections: Sequence[AttentionSelection], options: RecordOptions
    ) -> Recorder:
        """Returns it.

        Raises:
          SelectionError: If an option does not exist, or does not go with the others.
        """
        ...
