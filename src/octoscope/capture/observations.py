"""From an episode to what the policy takes: frames at its size, normalised numbers, windows of history, tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.capture.observation_plan import plan_observations
from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds_instruction import NO_INSTRUCTION
from octoscope.episodes.windows import observation_window
from octoscope.errors import EpisodeError, ObservationError, SelectionError, nearest
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.token_source import camera_of


class EpisodeObservations:
    """Gives the observation of each step of an episode; every frame is resized once, when a window first needs it."""

    def __init__(
        self,
        model: OctoModel,
        episode: Episode,
        *,
        observation_keys: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> None:
        """Looks for what of the policy's observations the episode can give.

        Args:
          model: The policy.
          episode: The recording.
          observation_keys: Recorded field by observation key ({"proprio": "state"}), where its name does not tell; "none" leaves
            the key out.
          window: Timesteps of history; as many as in training by default.

        Raises:
          EpisodeError: If policy and episode share no camera, or numbers are missing or of another shape.
          SelectionError: If the policy reads no such observation, or has no positions for such a window.
        """
        self.episode = episode
        self.window = _check_window(model, window)
        self.plan = plan_observations(model, episode, observation_keys=observation_keys)
        self._cameras = {camera: (key, model.image_sizes[key]) for camera, key in self.plan.cameras.items()}
        example = model.example_batch["observation"]
        self._black = {
            key: np.zeros((1, self.window, *example[key].shape[2:]), example[key].dtype) for key in self.plan.black
        }
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
          EpisodeError: If numbers that it shows are not finite.
        """
        self.check_finite([step])
        return self.unchecked_at(step)

    def check_finite(self, steps: Sequence[int]) -> None:
        """Refuses steps that show the policy numbers that are not finite, before any of them is made.

        Raises:
          EpisodeError: Naming the field and the step.
        """
        for step in steps if self.plan.numbers else ():
            times, _ = observation_window(step, self.window)
            for key, numbers in self.plan.numbers.items():
                numbers.check_finite(key, self.episode, times[times < len(self.episode)])

    def unchecked_at(self, step: int) -> dict[str, Any]:
        """Returns what `at` returns, whatever its numbers are: enough where only shapes count.

        Raises:
          SelectionError: If the episode has no such step.
        """
        if not 0 <= step < len(self.episode):
            raise SelectionError(f"`step` must be in 0..{len(self.episode) - 1} for {self.episode.name}, got {step}.")
        indices, real = observation_window(step, self.window)
        frames = {
            key: np.stack([self._frame(camera, int(time)) for time in indices])[None]
            for camera, (key, _) in self._cameras.items()
        }
        numbers = {key: found.values[indices][None] for key, found in self.plan.numbers.items()}
        present = {key: np.ones((1, self.window), bool) for key in (*frames, *numbers)}
        absent = {key: np.zeros((1, self.window), bool) for key in self._black}
        # Windows move on: frames before this one's are not needed again.
        self._resized = {at: frame for at, frame in self._resized.items() if at[1] >= indices[0]}
        return {
            **frames,
            **numbers,
            **self._black,
            "timestep_pad_mask": real[None],
            "pad_mask_dict": present | absent,
        }

    def _frame(self, camera: str, time: int) -> UInt8[np.ndarray, "height width 3"]:
        if (camera, time) not in self._resized:
            self._resized[camera, time] = resize_image(self.episode.images[camera][time], self._cameras[camera][1])
        return self._resized[camera, time]


def check_picture(name: str, picture: Any) -> None:
    """Refuses a picture that is not RGB of 0..255.

    Raises:
      ObservationError: Saying what it is.
    """
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
        raise ObservationError(
            f"{name} must be one RGB picture, uint8 (height, width, 3), got {array.dtype} {array.shape}"
            f"{'' if finite else ' with numbers that are not finite'}."
        )


def _check_window(model: OctoModel, window: int | None) -> int:
    most = model.module.octo_transformer.max_horizon
    window = model.window if window is None else window
    if not 1 <= window <= most:
        raise SelectionError(f"`window` must be in 1..{most}, where the policy's positions end, got {window}.")
    return window


def episode_task(
    model: OctoModel,
    episode: Episode,
    *,
    instruction: str | None = None,
    goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Returns the instruction that is used ("" for none) and the tasks for it.

    A policy without words that takes encodings of the instruction gets those that the episode recorded ("language_embedding"); one
    that takes neither words nor goals gets no task.

    Args:
      model: The policy.
      episode: Gives the instruction, unless one is given.
      instruction: Words to use instead of the episode's.
      goal_images: By camera name, of any size; with them the episode's own words are not used.

    Raises:
      EpisodeError: If there is neither an instruction nor a goal.
      ObservationError: If the policy cannot take what is given.
    """
    goals = None if goal_images is None else _goals(model, goal_images)
    if model.text_processor is None and instruction is None:
        encodings = _recorded_encodings(model, episode)
        if encodings is not None:
            goals = {**(goals or {}), "language_instruction": encodings}
        elif _needs_encodings(model):
            raise ObservationError(_why_no_task(model, episode))
        elif goals is None and not _takes_goals(model) and not all(_encoding_sizes(model, episode)):
            return "", {"pad_mask_dict": {}}
    if instruction is None and goals is None:
        instruction = episode.instruction
        if model.text_processor is None:
            raise ObservationError(_why_no_task(model, episode))
        if not instruction:
            where = "".join(f" {remark}" for remark in episode.remarks if remark.startswith(NO_INSTRUCTION))
            raise EpisodeError(
                f"{episode.name} has no instruction.{where} Give one with --task, or a goal with --goal-image."
            )
    if instruction is not None and not instruction.strip():
        raise EpisodeError("The task's words are empty. Give some with --task, or a goal with --goal-image alone.")
    texts = None if instruction is None else [instruction]
    return instruction or "", model.create_tasks(texts=texts, goals=goals)


def _recorded_encodings(model: OctoModel, episode: Episode) -> np.ndarray | None:
    """Returns the instruction as the encodings that the episode recorded, where the policy takes such and has no words."""
    example = model.example_batch["task"].get("language_instruction")
    recorded = episode.extras.get("language_embedding")
    if recorded is None or not hasattr(example, "shape") or recorded.shape[1:] != example.shape[1:]:
        return None
    if not np.isfinite(recorded[:1]).all():
        raise EpisodeError(
            f"The encoding of the instruction ('language_embedding') of {episode.name} is not finite. Record it anew."
        )
    return recorded[:1].astype(np.float32)


def _why_no_task(model: OctoModel, episode: Episode) -> str:
    """Returns why a policy without words gets no task from this episode, and what to do."""
    cameras = [camera_of(key) for key in model.example_batch["task"] if key.startswith("image_")]
    goal = f"give a goal image (of {', '.join(cameras)}) with --goal-image." if cameras and _takes_goals(model) else ""
    wanted, recorded = _encoding_sizes(model, episode)
    if not wanted:
        return f"This policy takes no words: {goal or 'it has to be given a goal.'}"
    has = f"{episode.name} records {recorded}" if recorded else f"{episode.name} records none"
    needed = _needs_encodings(model)
    without = " and cannot do without them" if needed else ""
    advice = f" G{goal[1:]}" if goal and not needed else f" Record them as 'language_embedding' of {wanted} numbers."
    return f"This policy takes instructions as encodings of {wanted} numbers{without}, and {has}.{advice}"


def _encoding_sizes(model: OctoModel, episode: Episode) -> tuple[str, str]:
    """Returns the size of the encodings that the policy takes, and of those that the episode recorded; "" for none."""
    wanted = model.example_batch["task"].get("language_instruction")
    recorded = episode.extras.get("language_embedding")
    return _size(wanted), _size(recorded)


def _size(encodings: Any) -> str:
    return " x ".join(map(str, encodings.shape[1:])) if hasattr(encodings, "shape") else ""


def _needs_encodings(model: OctoModel) -> bool:
    """Returns whether an image encoder is conditioned on encodings of the instruction, so that no forward can do without."""
    tokenizers = model.module.octo_transformer.observation_tokenizers.values()
    images = [tokenizer for tokenizer in tokenizers if isinstance(tokenizer, ImageTokenizer)]
    return any("language_instruction" in tokenizer.task_film_keys for tokenizer in images)


def _takes_goals(model: OctoModel) -> bool:
    tokenizers = model.module.octo_transformer.observation_tokenizers.values()
    images = [tokenizer for tokenizer in tokenizers if isinstance(tokenizer, ImageTokenizer)]
    return any(tokenizer.task_stack_keys or tokenizer.task_film_keys for tokenizer in images)


def _goals(model: OctoModel, goal_images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    keys = {camera_of(key): key for key in model.example_batch["task"] if key.startswith("image_")}
    goals: dict[str, np.ndarray] = {}
    for camera, image in goal_images.items():
        if camera not in keys:
            raise SelectionError(
                f"The policy takes no goal image of '{camera}'. It takes: {', '.join(keys) or 'none'}."
                + nearest(camera, keys)
            )
        check_picture(f"The goal image of '{camera}'", image)
        size = model.example_batch["task"][keys[camera]].shape[1:3]
        goals[keys[camera]] = resize_image(image, size)[None]
    return goals
