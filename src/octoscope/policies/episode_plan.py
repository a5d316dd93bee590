"""What a policy is given of an episode, at every step alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.episodes.episode import Episode
from octoscope.policies.numbers import Numbers


@dataclass(frozen=True, eq=False)
class BindOptions:
    """What the policy is given besides what an episode records under the names it knows."""

    # Words to use instead of the episode's.
    instruction: str | None = None
    # By camera name, of any size; with them the episode's own words are not used.
    goal_images: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] | None = None
    # Recorded field by the policy's name for it; "none" leaves it out.
    observation_keys: Mapping[str, str] | None = None
    # Timesteps of history; as many as in training by default.
    window: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Returns what the policy is given by name, without what a kind of these options may hold besides."""
        return {each.name: getattr(self, each.name) for each in fields(BindOptions)}


@dataclass(frozen=True, eq=False)
class EpisodePlan:
    """Cameras, numbers and task, chosen once for a whole episode."""

    # Cameras that the policy looks through and the episode has.
    cameras: tuple[str, ...]
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    # None for none.
    instruction: str | None = None
    # The instruction as vectors made elsewhere, for a policy that reads them instead of words.
    instruction_encodings: Float32[np.ndarray, "..."] | None = None
    # At the policy's size.
    goal_images: Mapping[str, UInt8[np.ndarray, "_height _width 3"]] = field(default_factory=dict)
    # What each input was made from, for a run's manifest.
    observations: Mapping[str, Any] = field(default_factory=dict)
    # What must be known of it, a sentence each.
    remarks: tuple[str, ...] = ()


@runtime_checkable
class PlansEpisodes(Protocol):
    """A policy with rules of its own for what it takes from an episode: other names, parts that it can do without."""

    def plan_episode(self, episode: Episode, options: BindOptions) -> EpisodePlan:
        """Returns what the policy is given of an episode.

        Raises:
          EpisodeError: If the episode lacks what the policy cannot do without.
          ObservationError: If the policy cannot take the words or goals that are given.
          SelectionError: If the policy reads no such observation.
        """
        ...
