"""One step of an episode as the policy is about to see it, and what interventions need to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.windows import observation_window
from octoscope.errors import SelectionError
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.bind import BoundEpisode, bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class StepScene:
    """A step, before anything is done to it."""

    bound: BoundEpisode
    step: int
    inputs: PolicyInputs

    @classmethod
    def at(
        cls,
        model: PolicyModel | HoldsPolicy,
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
        bound = bind(model, episode, BindOptions(instruction, goal_images, observation_keys, window))
        return cls(bound, step, bound.at(step))

    def moved_to(self, step: int) -> "StepScene":
        """Returns another step of the same episode, under the same words."""
        return replace(self, step=step, inputs=self.bound.at(step))

    @property
    def policy(self) -> PolicyModel:
        """The policy."""
        return self.bound.policy

    @property
    def episode(self) -> Episode:
        """The episode."""
        return self.bound.episode

    @property
    def layout(self) -> TokenLayout:
        """What every token is."""
        return self.bound.layout

    @property
    def instruction(self) -> str:
        """The words that are used; "" for none."""
        return self.bound.instruction

    @property
    def space(self) -> ActionSpace:
        """What the policy's actions are over the episode's dataset."""
        return self.policy.action_space(self.episode.dataset)

    @property
    def frames(self) -> list[int]:
        """Which frame of the episode each timestep of the window shows."""
        return [int(time) for time in observation_window(self.step, self.bound.window)[0]]

    @property
    def real(self) -> Bool[np.ndarray, " window"]:
        """False where a timestep is padded history."""
        return np.asarray(self.inputs.real)

    @property
    def pictures(self) -> dict[str, UInt8[np.ndarray, "_ _ channel"]]:
        """The current frame of each camera, as the policy sees it."""
        return current_pictures(self.inputs)

    def images(self, camera: str) -> UInt8[np.ndarray, "window _ _ channel"]:
        """Returns a camera's frames as the policy sees them.

        Raises:
          SelectionError: If the policy is not given such a camera.
        """
        self.layout.image_spans(camera)
        if camera not in self.inputs.images:
            raise SelectionError(
                f"{self.episode.name} does not record '{camera}', so the policy is given no picture of it to change."
            )
        return self.inputs.images[camera]

    def padding_transform(self, camera: str) -> ImageTransform | None:
        """Returns how a camera's frames are brought to the policy's image, where the policy is given them as recorded; else None."""
        size, transform = self.images(camera).shape[1:3], self.bound.transforms[camera]
        return None if size == transform.policy_size else transform

    def padded_picture(self, camera: str) -> UInt8[np.ndarray, "_ _ channel"]:
        """Returns the current frame of a camera at the size of the policy's image, on which its patches are a whole grid."""
        picture, transform = self.images(camera)[-1], self.padding_transform(camera)
        if transform is None:
            return picture
        (height, width), (top, left) = transform.policy_size, transform.offset
        rows, columns = (
            (np.arange(size) + 0.5 - edge) / scale
            for size, edge, scale in zip((height, width), (top, left), transform.scale, strict=True)
        )
        seen = [(at >= 0) & (at < size) for at, size in zip((rows, columns), picture.shape, strict=False)]
        padded = np.zeros((height, width, picture.shape[2]), np.uint8)
        padded[np.ix_(*seen)] = picture[np.ix_(rows[seen[0]].astype(int), columns[seen[1]].astype(int))]
        return padded

    def timesteps(self, timestep: int | None) -> list[int]:
        """Returns the places in the window that a timestep means.

        Raises:
          SelectionError: If the window has no such timestep.
        """
        window = self.bound.window
        if timestep is None:
            return list(range(window))
        if not -window <= timestep < window:
            raise SelectionError(f"`timestep` must be in {-window}..{window - 1}, got {timestep}.")
        return [timestep % window]


def current_pictures(inputs: PolicyInputs) -> dict[str, UInt8[np.ndarray, "_ _ channel"]]:
    """Returns the current frame of each camera, as the policy sees it."""
    return {camera: images[-1] for camera, images in inputs.images.items()}
