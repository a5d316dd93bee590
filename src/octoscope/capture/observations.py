"""From an episode to what the policy takes: frames at its size, windows of history, tasks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.windows import observation_window
from octoscope.errors import EpisodeError, ObservationError, SelectionError, nearest
from octoscope.octo.image_resize import resize_image
from octoscope.octo.model import OctoModel
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import camera_of


class EpisodeObservations:
    """Gives the observation of each step of an episode; every frame is resized once, when a window first needs it."""

    def __init__(self, model: OctoModel, episode: Episode) -> None:
        """Looks for the cameras that policy and episode share.

        Raises:
          EpisodeError: If they share none.
        """
        self.episode = episode
        self.window = model.window
        wanted = {camera_of(key): (key, size) for key, size in model.image_sizes.items()}
        # A camera that the episode lacks is left out, and its tokens vanish from the sequence.
        self._cameras = {camera: wanted[camera] for camera in wanted if camera in episode.images}
        if wanted and not self._cameras:
            raise EpisodeError(
                f"The policy looks through {', '.join(wanted)}, but the episode has {', '.join(episode.images)}. "
                "Name the recorded image of a camera with --cameras primary=IMAGE_KEY."
            )
        self._resized: dict[tuple[str, int], np.ndarray] = {}

    @property
    def transforms(self) -> dict[str, ImageTransform]:
        """How each camera's frames are brought to the policy's size."""
        images = self.episode.images
        return {
            camera: ImageTransform.resize(images[camera].shape[1:3], size)
            for camera, (_, size) in self._cameras.items()
        }

    def at(self, step: int) -> dict[str, Any]:
        """Returns the observation with leading (1, window), ready for the policy.

        Raises:
          SelectionError: If the episode has no such step.
        """
        if not 0 <= step < len(self.episode):
            raise SelectionError(f"`step` must be in 0..{len(self.episode) - 1} for {self.episode.name}, got {step}.")
        indices, real = observation_window(step, self.window)
        observation: dict[str, Any] = {
            key: np.stack([self._frame(camera, int(time)) for time in indices])[None]
            for camera, (key, _) in self._cameras.items()
        }
        present = {key: np.ones((1, self.window), bool) for key, _ in self._cameras.values()}
        # Windows move on: frames before this one's are not needed again.
        self._resized = {at: frame for at, frame in self._resized.items() if at[1] >= indices[0]}
        return {**observation, "timestep_pad_mask": real[None], "pad_mask_dict": present}

    def _frame(self, camera: str, time: int) -> UInt8[np.ndarray, "height width 3"]:
        if (camera, time) not in self._resized:
            self._resized[camera, time] = resize_image(self.episode.images[camera][time], self._cameras[camera][1])
        return self._resized[camera, time]


def episode_task(
    model: OctoModel,
    episode: Episode,
    *,
    instruction: str | None = None,
    goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Returns the instruction that is used ("" for none) and the tasks for it.

    Args:
      model: The policy.
      episode: Gives the instruction, unless one is given.
      instruction: Words to use instead of the episode's.
      goal_images: By camera name, of any size; with them the episode's own instruction is not used.

    Raises:
      EpisodeError: If there is neither an instruction nor a goal.
      ObservationError: If the policy cannot take what is given.
    """
    goals = None if goal_images is None else _goals(model, goal_images)
    if instruction is None and goals is None:
        instruction = episode.instruction
        if model.text_processor is None:
            raise ObservationError("This policy takes no words: give a goal image with --goal-image.")
        if not instruction:
            raise EpisodeError(f"{episode.name} has no instruction. Give one with --task, or a goal with --goal-image.")
    if instruction is not None and not instruction.strip():
        raise EpisodeError("The task's words are empty. Give some with --task, or a goal with --goal-image alone.")
    texts = None if instruction is None else [instruction]
    return instruction or "", model.create_tasks(texts=texts, goals=goals)


def _goals(model: OctoModel, goal_images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    keys = {camera_of(key): key for key in model.example_batch["task"] if key.startswith("image_")}
    goals: dict[str, np.ndarray] = {}
    for camera, image in goal_images.items():
        if camera not in keys:
            raise SelectionError(
                f"The policy takes no goal image of '{camera}'. It takes: {', '.join(keys) or 'none'}."
                + nearest(camera, keys)
            )
        size = model.example_batch["task"][keys[camera]].shape[1:3]
        goals[keys[camera]] = resize_image(image, size)[None]
    return goals
