"""One step of an episode as the policy is about to see it, and what interventions need to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.capture.attend import episode_layout
from octoscope.capture.observations import EpisodeObservations, episode_task
from octoscope.episodes.episode import Episode
from octoscope.episodes.windows import observation_window
from octoscope.policies.octo.model import OctoModel
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class PolicyInputs:
    """What the policy takes for one decision; parts that were not changed are the very same objects."""

    # With leading (1, window); "timestep_pad_mask" among them.
    observation: Mapping[str, Any]
    # With leading (1,).
    tasks: Mapping[str, Any]
    # True where a key is hidden from a query, besides what rules and padding hide; None for nowhere.
    hidden: Bool[np.ndarray, "query key"] | None = None

    def with_images(self, key: str, images: np.ndarray) -> "PolicyInputs":
        """Returns the inputs with other images (1, window, height, width, channel)."""
        return replace(self, observation={**self.observation, key: images})


@dataclass(frozen=True, eq=False)
class SceneOptions:
    """What the policy is given besides what an episode records under the names it knows; see `attend`."""

    # Words to use instead of the episode's.
    instruction: str | None = None
    # By camera name; with them the episode's own words are not used.
    goal_images: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] | None = None
    # Recorded field by observation key.
    observation_keys: Mapping[str, str] | None = None
    # Timesteps of history; as many as in training by default.
    window: int | None = None

    def scene(self, model: OctoModel, episode: Episode, step: int) -> "StepScene":
        """Returns a step of an episode under these options.

        Raises:
          EpisodeError: If policy and episode share no camera, or there is no task.
          SelectionError: If the step does not exist.
        """
        return StepScene.at(model, episode, step, **vars(self))


@dataclass(frozen=True, eq=False)
class StepScene:
    """A step, before anything is done to it."""

    model: OctoModel
    episode: Episode
    observations: EpisodeObservations
    step: int
    # "" for none.
    instruction: str
    layout: TokenLayout
    inputs: PolicyInputs

    @classmethod
    def at(
        cls,
        model: OctoModel,
        episode: Episode,
        step: int,
        *,
        instruction: str | None = None,
        goal_images: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] | None = None,
        observation_keys: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> "StepScene":
        """Returns a step of an episode; see `attend` for the arguments.

        Raises:
          EpisodeError: If policy and episode share no camera, or there is no task.
          SelectionError: If the step does not exist.
        """
        observations = EpisodeObservations(model, episode, observation_keys=observation_keys, window=window)
        words, tasks = episode_task(model, episode, instruction=instruction, goal_images=goal_images)
        layout = episode_layout(model, observations, tasks, instruction=words, step=step)
        return cls(model, episode, observations, step, words, layout, PolicyInputs(observations.at(step), tasks))

    def moved_to(self, step: int) -> "StepScene":
        """Returns another step of the same episode, under the same words."""
        return replace(self, step=step, inputs=PolicyInputs(self.observations.at(step), self.inputs.tasks))

    @property
    def frames(self) -> list[int]:
        """Which frame of the episode each timestep of the window shows."""
        return [int(time) for time in observation_window(self.step, self.observations.window)[0]]

    @property
    def real(self) -> Bool[np.ndarray, " window"]:
        """False where a timestep is padded history."""
        return np.asarray(self.inputs.observation["timestep_pad_mask"][0])

    def image_key(self, camera: str) -> str:
        """Returns the observation key of a camera's images."""
        self.layout.image_spans(camera)
        return self.observations.plan.cameras[camera]

    def timesteps(self, timestep: int | None) -> list[int]:
        """Returns the places in the window that a timestep means.

        Raises:
          SelectionError: If the window has no such timestep.
        """
        window = self.observations.window
        if timestep is None:
            return list(range(window))
        # The layout says it in its own words when there is none.
        self.layout.find_spans(self.layout.spans[-1].group, timestep=timestep)
        return [timestep % window]
