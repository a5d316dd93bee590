"""The cameras of an RLDS episode: which values of a step are camera images, and which cameras an episode recorded."""

from collections.abc import Iterable, Mapping

import numpy as np

from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import STEPS, Example
from octoscope.errors import EpisodeError


def recorded_name(path: str) -> str:
    """Returns what people call a value of a step: its path without "steps/" and "observation/".

    >>> recorded_name("steps/observation/image_0")
    'image_0'
    """
    return path.removeprefix(STEPS).removeprefix("observation/")


def image_paths(features: Mapping[str, Feature]) -> dict[str, str]:
    """Returns the path of each encoded colour image that a step has, by its recorded name; depth maps are left out.

    >>> image_paths({"steps/observation/rgb": Feature("image", (8, 8, 3), "uint8")})
    {'rgb': 'steps/observation/rgb'}
    """
    return _by_name(path for path, f in features.items() if f.kind == "image" and f.dtype == "uint8")


def array_image_paths(features: Mapping[str, Feature]) -> dict[str, str]:
    """Returns the path of each tensor that looks like a colour image: uint8, (height, width, 3), not called depth.

    >>> array_image_paths({"steps/observation/front": Feature("tensor", (8, 8, 3), "uint8")})
    {'front': 'steps/observation/front'}
    """
    return _by_name(
        path
        for path, f in features.items()
        if f.kind == "tensor" and f.dtype == "uint8" and len(f.shape) == 3 and f.shape[2] == 3 and "depth" not in path
    )


def recorded_cameras(example: Example, cameras: Mapping[str, str], *, asked: bool) -> tuple[dict[str, str], list[str]]:
    """Returns the cameras that the episode recorded, and a remark for each whose frames are all empty.

    Where a robot lacked a camera, datasets keep its place with empty bytes; Octo was trained with such cameras masked.

    Args:
      example: The stored values.
      cameras: Path of the stored image by camera name.
      asked: Whether a user chose these cameras, so that none may be left out.

    Raises:
      EpisodeError: If some frames of a camera are empty, or all frames of one that was asked for, or of every camera.
    """
    recorded, remarks = {}, []
    for camera, path in cameras.items():
        stored = example.get(path, [])
        empty = [step for step, data in enumerate(stored) if not data] if isinstance(stored, list) else []
        name = recorded_name(path)
        if not empty:
            recorded[camera] = path
        elif len(empty) < len(stored):
            raise EpisodeError(
                f"image '{name}' is empty at {len(empty)} of {len(stored)} steps (the first is step {empty[0]}): "
                f"nothing was recorded there. Choose cameras without it: --cameras primary=NAME."
            )
        elif asked:
            raise EpisodeError(
                f"image '{name}' is empty at all {len(stored)} steps: nothing was recorded. Choose another."
            )
        else:
            remarks.append(f"Camera '{camera}' is left out: its image '{name}' is empty at all {len(stored)} steps.")
    if cameras and not recorded:
        raise EpisodeError(f"no camera recorded anything. {' '.join(remarks)} Choose others: --cameras primary=NAME.")
    return recorded, remarks


def array_frames(array: np.ndarray, path: str) -> np.ndarray:
    """Returns a stored tensor as frames.

    Raises:
      EpisodeError: If it is no film of colour pictures.
    """
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8 or not array.size:
        raise EpisodeError(
            f"'{recorded_name(path)}' must be uint8 (time, height, width, 3) to be a camera, got {array.dtype} {array.shape}."
        )
    return array


def _by_name(paths: Iterable[str]) -> dict[str, str]:
    return {recorded_name(path): path for path in sorted(paths) if path.startswith(STEPS)}
