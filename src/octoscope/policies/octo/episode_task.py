"""What Octo is told over an episode: words, goal images, or the encodings of an instruction that the episode recorded."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds_instruction import NO_INSTRUCTION
from octoscope.errors import EpisodeError, ObservationError, SelectionError, nearest
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.tokens.token_source import camera_of


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


def episode_task(
    model: OctoModel, episode: Episode, options: BindOptions
) -> tuple[str | None, dict[str, UInt8[np.ndarray, "_ _ 3"]], Float32[np.ndarray, "..."] | None]:
    """Returns the instruction that is used (None for none), the goal images at the policy's size, and recorded encodings.

    A policy without words that takes encodings of the instruction gets those that the episode recorded ("language_embedding"); one
    that takes neither words nor goals gets no task.

    Args:
      model: The policy.
      episode: Gives the instruction, unless one is given.
      options: Other words, and goal images of any size; with those the episode's own words are not used.

    Raises:
      EpisodeError: If there is neither an instruction nor a goal.
      ObservationError: If the policy cannot take what is given.
    """
    instruction = options.instruction
    goals = {} if options.goal_images is None else _goals(model, options.goal_images)
    if model.text_processor is None and instruction is None:
        encodings = _recorded_encodings(model, episode)
        if encodings is not None:
            return None, goals, encodings
        if _needs_encodings(model):
            raise ObservationError(_why_no_task(model, episode))
        if options.goal_images is None and not _takes_goals(model) and not all(_encoding_sizes(model, episode)):
            return None, {}, None
    if instruction is None and options.goal_images is None:
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
    if instruction is None and not goals:
        raise ObservationError("A task needs words, goal images, or both; got neither.")
    if instruction is not None and model.text_processor is None:
        # Says what the policy takes instead.
        model.create_tasks(texts=[instruction])
    return instruction, goals, None


def _recorded_encodings(model: OctoModel, episode: Episode) -> Float32[np.ndarray, "..."] | None:
    """Returns the instruction as the encodings that the episode recorded, where the policy takes such and has no words."""
    example = model.example_batch["task"].get("language_instruction")
    recorded = episode.extras.get("language_embedding")
    if recorded is None or not hasattr(example, "shape") or recorded.shape[1:] != example.shape[1:]:
        return None
    if not np.isfinite(recorded[:1]).all():
        raise EpisodeError(
            f"The encoding of the instruction ('language_embedding') of {episode.name} is not finite. Record it anew."
        )
    return recorded[0].astype(np.float32)


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
        goals[camera] = resize_image(image, size)
    return goals
