"""Columns of a LeRobot table as arrays, and which features are cameras."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.episodes.camera_names import is_depth
from octoscope.errors import EpisodeError

_CHANNELS = ("channel", "channels", "c")


def is_camera(name: str, feature: Mapping[str, Any]) -> bool:
    """Returns whether a feature is a colour camera: frames of three channels that are no depth map.

    >>> is_camera("observation.images.top", {"dtype": "video", "shape": [3, 480, 640], "names": ["channels", "height", "width"]})
    True
    """
    if feature.get("dtype") not in ("video", "image"):
        return False
    # Written to "info" since 2.1, to "video_info" before.
    facts = {**(feature.get("video_info") or {}), **(feature.get("info") or {}), **feature}
    depth = facts.get("is_depth_map") or facts.get("video.is_depth_map") or is_depth(name)
    return not depth and _channels(feature) == 3


def recorded_name(name: str) -> str:
    """Returns what people call a feature.

    >>> recorded_name("observation.images.top"), recorded_name("observation.image"), recorded_name("observation.state")
    ('top', 'image', 'state')
    """
    return name.removeprefix("observation.").removeprefix("images.")


def column_array(column: Any, name: str, feature: Mapping[str, Any]) -> np.ndarray | None:
    """Returns a column of fixed-size numbers as (time, *shape), a number a step as (time,); None for text and the like.

    Raises:
      EpisodeError: If numbers are missing, or are not as many as the feature says.
    """
    import pyarrow as pa

    try:
        dtype = np.dtype(str(feature.get("dtype")))
    except TypeError:
        return None
    if dtype.kind not in "fiub":
        return None
    rows = len(column)
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = getattr(values, "storage", values)
    while (
        pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or pa.types.is_fixed_size_list(values.type)
    ):
        if values.null_count:
            raise EpisodeError(f"'{name}' lacks its numbers in {values.null_count} steps. Download the table again.")
        values = values.flatten()
    if values.null_count:
        raise EpisodeError(f"'{name}' lacks {values.null_count} of its numbers. Download the table again.")
    shape = tuple(int(size) for size in feature.get("shape") or ())
    shape = () if shape == (1,) else shape
    if len(values) != rows * math.prod(shape):
        raise EpisodeError(
            f"'{name}' holds {len(values)} numbers, where {rows} steps of shape {shape} (meta/info.json) need "
            f"{rows * math.prod(shape)}. The files belong to different datasets: download them again."
        )
    return np.asarray(values.to_numpy(zero_copy_only=False)).astype(dtype, copy=False).reshape(rows, *shape)


def _channels(feature: Mapping[str, Any]) -> int | None:
    shape, names = list(feature.get("shape") or []), feature.get("names")
    if isinstance(names, list) and len(names) == len(shape):
        told = [size for size, name in zip(shape, names, strict=True) if name in _CHANNELS]
        if told:
            return int(told[0])
    # Without names: channels last or first, whichever is three.
    return 3 if len(shape) == 3 and 3 in (shape[0], shape[-1]) else None
