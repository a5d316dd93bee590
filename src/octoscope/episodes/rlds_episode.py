"""One stored Example as an Episode: arrays by their recorded names, asked cameras decoded, the instruction found."""

from collections.abc import Mapping

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.image_codec import decode_image
from octoscope.episodes.rlds_cameras import array_frames, recorded_cameras, recorded_name
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_instruction import find_instruction, why_no_instruction
from octoscope.episodes.rlds_values import (
    END_MARKS,
    STEPS,
    Example,
    count_steps,
    example_features,
    step_array,
    stored_value,
)
from octoscope.episodes.trained_actions import action_remark
from octoscope.errors import EpisodeError

ACTION = "steps/action"


def episode_from_example(
    example: Example,
    *,
    declared: Mapping[str, Feature],
    cameras: Mapping[str, str],
    name: str,
    dataset: str,
    asked: bool = True,
) -> Episode:
    """Returns the episode that the Example stores, decoding the images of `cameras` only.

    An action recorded in parts stays in `extras` ("action/world_vector"), and `actions` is None. A ragged value
    becomes an array of objects, one array per step.

    Args:
      example: The stored values.
      declared: What features.json says; may be empty.
      cameras: Path of the stored image by camera name.
      name: The name the episode gets.
      dataset: The name of its dataset.
      asked: Whether a user chose the cameras; else one that recorded nothing is left out, with a remark.

    Raises:
      EpisodeError: If the values do not fit their shapes, or an image is missing or cannot be decoded.
    """
    steps = count_steps(example)
    cameras, remarks = recorded_cameras(example, cameras, asked=asked)
    instruction = find_instruction(example, steps=steps)
    arrays = {
        path: step_array(example, path, feature, steps=steps)
        for path, feature in sorted(example_features(example, declared=declared).items())
        if path.startswith(STEPS) and feature.kind == "tensor" and path not in END_MARKS
        if stored_value(example, path) is not None
    }
    tensors = {camera: array_frames(arrays.pop(path), path) for camera, path in cameras.items() if path in arrays}
    has_actions = ACTION in arrays and arrays[ACTION].ndim <= 2 and arrays[ACTION].dtype != object
    actions = _actions(arrays.pop(ACTION)) if has_actions else None
    remarks += ["" if instruction else why_no_instruction(example), action_remark(dataset) if has_actions else ""]
    return Episode(
        images={
            camera: tensors[camera] if camera in tensors else _decode_frames(example, path, steps)
            for camera, path in cameras.items()
        },
        instruction=instruction,
        actions=actions,
        name=name,
        dataset=dataset,
        extras=_name_extras(arrays),
        remarks=tuple(remark for remark in remarks if remark),
    )


def _decode_frames(example: Example, path: str, steps: int) -> UInt8[np.ndarray, "time height width 3"]:
    encoded = example.get(path, [])
    name = recorded_name(path)
    if not isinstance(encoded, list) or len(encoded) != steps:
        raise EpisodeError(
            f"image '{name}' has {len(encoded)} frames for {steps} steps. Choose a camera that this episode has."
        )
    frames = [_decode_frame(data, name, step) for step, data in enumerate(encoded)]
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise EpisodeError(
            f"image '{name}' must keep its (height, width) through the episode, got {sizes}. Choose another camera."
        )
    return np.stack(frames)


def _decode_frame(data: bytes, name: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
    try:
        return decode_image(data)
    except EpisodeError as error:
        raise EpisodeError(f"image '{name}', step {step}: {error}") from error


def _actions(recorded: np.ndarray) -> Float[np.ndarray, "time dim"]:
    actions = recorded if recorded.dtype.kind == "f" else recorded.astype(np.float32)
    return actions.reshape(len(actions), -1)


def _name_extras(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # A step may have "state" beside "observation/state": then the observation keeps its prefix.
    names = {path: recorded_name(path) for path in arrays}
    clashes = {path for path in arrays if STEPS + names[path] != path and STEPS + names[path] in arrays}
    return {path.removeprefix(STEPS) if path in clashes else names[path]: array for path, array in arrays.items()}
