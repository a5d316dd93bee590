"""One stored Example as an Episode: arrays by their recorded names, asked cameras as frames, the instruction found."""

from collections.abc import Mapping

import numpy as np

from octoscope.array_typing import Float
from octoscope.episodes.episode import Episode
from octoscope.episodes.frames.encoded import encoded_frames
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import (
    END_MARKS,
    STEPS,
    Example,
    count_steps,
    example_features,
    step_array,
    stored_value,
)
from octoscope.errors import EpisodeError

ACTION = "steps/action"
INSTRUCTION = "steps/language_instruction"

# Datasets do not agree on the place; the first that says something wins.
_INSTRUCTIONS = (
    INSTRUCTION,
    "steps/observation/natural_language_instruction",
    "steps/observation/language_instruction",
    "steps/natural_language_instruction",
    "episode_metadata/language_instruction",
    "episode_metadata/natural_language_instruction",
)


def recorded_name(path: str) -> str:
    """Returns what people call a value of a step: its path without "steps/" and "observation/".

    >>> recorded_name("steps/observation/image_0")
    'image_0'
    """
    return path.removeprefix(STEPS).removeprefix("observation/")


def image_paths(features: Mapping[str, Feature]) -> dict[str, str]:
    """Returns the path of each colour image that a step has, by its recorded name; depth maps are left out.

    >>> image_paths({"steps/observation/rgb": Feature("image", (8, 8, 3), "uint8")})
    {'rgb': 'steps/observation/rgb'}
    """
    images = (path for path, f in features.items() if f.kind == "image" and f.dtype == "uint8")
    return {recorded_name(path): path for path in sorted(images) if path.startswith(STEPS)}


def episode_from_example(
    example: Example, *, declared: Mapping[str, Feature], cameras: Mapping[str, str], name: str, dataset: str
) -> Episode:
    """Returns the episode that the Example stores, with the images of `cameras`, each decoded when it is asked for.

    An action recorded in parts stays in `extras` ("action/world_vector"), and `actions` is None. A ragged value
    becomes an array of objects, one array per step.

    Args:
      example: The stored values.
      declared: What features.json says; may be empty.
      cameras: Path of the stored image by camera name.
      name: The name the episode gets.
      dataset: The name of its dataset.

    Raises:
      EpisodeError: If the values do not fit their shapes, or an image is missing, no picture, or of another size than the others.
    """
    steps = count_steps(example)
    arrays = {
        path: step_array(example, path, feature, steps=steps)
        for path, feature in sorted(example_features(example, declared=declared).items())
        if path.startswith(STEPS) and feature.kind == "tensor" and path not in END_MARKS
        if stored_value(example, path) is not None
    }
    has_actions = ACTION in arrays and arrays[ACTION].ndim <= 2 and arrays[ACTION].dtype != object
    actions = _actions(arrays.pop(ACTION)) if has_actions else None
    return Episode(
        images={camera: _encoded_frames(example, path, steps) for camera, path in cameras.items()},
        instruction=_find_instruction(example),
        actions=actions,
        name=name,
        dataset=dataset,
        extras=_name_extras(arrays),
    )


def _encoded_frames(example: Example, path: str, steps: int) -> Frames:
    encoded = example.get(path, [])
    name = recorded_name(path)
    if not isinstance(encoded, list) or len(encoded) != steps:
        raise EpisodeError(
            f"image '{name}' has {len(encoded)} frames for {steps} steps. Choose a camera that this episode has."
        )
    return encoded_frames(encoded, name=name)


def _find_instruction(example: Example) -> str:
    for path in _INSTRUCTIONS:
        stored = stored_value(example, path)
        texts = [text.decode(errors="replace") for text in stored] if isinstance(stored, list) else []
        said = next((text for text in texts if text.strip()), None)
        if said is not None:
            return said
    return ""


def _actions(recorded: np.ndarray) -> Float[np.ndarray, "time dim"]:
    actions = recorded if recorded.dtype.kind == "f" else recorded.astype(np.float32)
    return actions.reshape(len(actions), -1)


def _name_extras(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # A step may have "state" beside "observation/state": then the observation keeps its prefix.
    names = {path: recorded_name(path) for path in arrays}
    clashes = {path for path in arrays if STEPS + names[path] != path and STEPS + names[path] in arrays}
    return {path.removeprefix(STEPS) if path in clashes else names[path]: array for path, array in arrays.items()}
