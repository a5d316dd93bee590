"""Proprioception and other numbers of an episode, as a policy takes them, and where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float32, Int
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError, nearest

# What the user types to leave an observation out.
NONE = "none"


@dataclass(frozen=True)
class Numbers:
    """One low-dimensional observation of a whole episode, as the policy takes it."""

    values: Float32[np.ndarray, "time ..."]
    # As recorded, in float32.
    raw: Float32[np.ndarray, "time ..."]
    # Name of the recorded field.
    recorded: str
    # Which rule found it, and what was done to it; for the manifest.
    found_by: str
    normalization: str

    def check_finite(self, key: str, episode: Episode, times: Int[np.ndarray, " window"]) -> None:
        """Refuses steps whose numbers are not finite: one NaN would make all that the policy computes NaN.

        Args:
          key: Name of the observation.
          episode: Where they were recorded.
          times: Steps that the policy is shown.

        Raises:
          EpisodeError: Naming the field, the step, and what to do.
        """
        for time in times.tolist():
            bad = ~np.isfinite(self.values[time])
            if bad.any():
                raise EpisodeError(
                    f"'{self.recorded}' of {episode.name} cannot be the policy's '{key}': at step {time} {_not_finite(self, time, bad)}. "
                    f"Choose other steps, name another field with --observation {key}=FIELD, or leave it out with "
                    f"--observation {key}={NONE}."
                )

    def to_json(self) -> dict[str, str]:
        """Returns where the numbers came from and what was done, for a run's manifest."""
        return {"from": self.recorded, "found_by": self.found_by, "normalization": self.normalization}


def recorded_numbers(
    needed: Mapping[str, tuple[int, ...]], episode: Episode, chosen: Mapping[str, str]
) -> dict[str, Numbers]:
    """Returns what an episode records under the names that a policy reads, or that the user gave; one that is "none" is left out.

    Args:
      needed: By name, the shape of one step.
      episode: Its extras are looked through.
      chosen: Recorded field by the policy's name for it.

    Raises:
      EpisodeError: If some are missing or of another shape.
      SelectionError: If the policy reads nothing by a name that was chosen for.
    """
    for name in chosen:
        if name not in needed:
            raise SelectionError(
                f"The policy reads no observation '{name}'.{nearest(name, needed)} Besides images it reads: "
                f"{', '.join(needed) or 'nothing'}."
            )
    numbers: dict[str, Numbers] = {}
    for name, shape in needed.items():
        recorded = chosen.get(name, name if name in episode.extras else f"observation/{name}")
        if recorded == NONE:
            continue
        if recorded not in episode.extras:
            raise EpisodeError(
                f"The policy reads '{name}', which {episode.name} does not record under that name. Name its field with "
                f"--observation {name}=FIELD. Recorded: {', '.join(episode.extras) or 'no numbers'}."
            )
        values = np.asarray(episode.extras[recorded])
        if values.dtype.kind not in "fiub" or values.shape[1:] != tuple(shape):
            raise EpisodeError(
                f"The policy's '{name}' takes {' x '.join(map(str, shape))} numbers a step, but '{recorded}' of {episode.name} has "
                f"{values.dtype} of shape {values.shape[1:]}. Name another field with --observation {name}=FIELD."
            )
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        rule = "chosen by the user" if name in chosen else "same name"
        numbers[name] = Numbers(values, values, recorded, rule, "as recorded")
    return numbers


def _not_finite(numbers: Numbers, time: int, bad: Bool[np.ndarray, "..."]) -> str:
    recorded = np.asarray(numbers.raw[time])[bad]
    cause = (
        f"{recorded[0]} is recorded"
        if not np.isfinite(recorded).all()
        else f"{recorded[0]} is too large to be normalised"
    )
    return f"{bad.sum()} of {bad.size} numbers are not finite ({cause})"
