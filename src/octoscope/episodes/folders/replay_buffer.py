"""Replay buffers of Diffusion Policy and UMI: zarr arrays of all episodes end to end, `data/KEY`, and `meta/episode_ends`.

A folder or a zip. Nothing is unpickled: arrays that are stored with zarr's pickle codec are refused before they are read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.errors import BaseZarrError
from zarr.storage import ZipStore

from octoscope.array_typing import Int, UInt8
from octoscope.episodes.camera_names import is_depth
from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.frames import CACHE_BYTES, Frames
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import as_actions, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_SPLIT = "all"
_ACTIONS = ("action", "actions")


def open_replay_buffer(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the episodes of the replay buffer at `path`, or None when there is none.

    Raises:
      EpisodeError: If it is damaged, its codec is unknown, it holds no images, or the split or a camera is unknown.
    """
    if path.is_dir():
        if not (path / "data").is_dir() or not (path / "meta" / "episode_ends").is_dir():
            return None
    elif not path.name.endswith(".zip"):
        return None
    try:
        group = zarr.open_group(ZipStore(path, mode="r") if path.is_file() else path, mode="r")
        ends_array = group.get("meta/episode_ends")
        data = group.get("data")
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError, BaseZarrError) as error:
        if path.is_file():
            return None
        raise EpisodeError(f"{path}: cannot be opened as zarr ({error}). Copy or download it again.") from error
    if not isinstance(ends_array, zarr.Array) or not isinstance(data, zarr.Group):
        return None
    arrays = _arrays(path, data)
    ends = _episode_ends(path, _read(path, "meta/episode_ends", ends_array, slice(None)), arrays)
    keys = [name for name, array in arrays.items() if _is_camera(name, array)]
    name = path.name.removesuffix(".zip").removesuffix(".zarr")
    if not keys:
        stored = ", ".join(f"{key} {array.dtype} {array.shape}" for key, array in arrays.items())
        raise EpisodeError(
            f"{path}: holds no images (time, height, width, 3) of uint8, or of whole numbers 0..255, only {stored}."
        )
    for key in keys:
        _as_pixels(path, key, _read(path, key, arrays[key], slice(0, 1)))
    left = min(array.shape[0] for array in arrays.values()) - int(ends[-1])
    return EpisodeSource(
        name=name,
        split=choose_split(name, [_SPLIT], split=options.split),
        splits=(_SPLIT,),
        cameras=(cameras := choose_cameras(name, keys, cameras=options.cameras)),
        count=len(ends),
        read=_ReplayEpisodes(path, arrays, ends, cameras),
        remarks=(f"The last {left} steps stored belong to no finished episode and are left out.",) if left else (),
    )


def _arrays(path: Path, data: zarr.Group) -> dict[str, zarr.Array]:
    try:
        return {name: array for name, array in sorted(data.arrays()) if array.ndim}
    except (ValueError, KeyError, TypeError, NotImplementedError, BaseZarrError) as error:
        raise EpisodeError(_unknown_codec(path, error)) from error


def _episode_ends(path: Path, ends: np.ndarray, arrays: Mapping[str, zarr.Array]) -> Int[np.ndarray, " episode"]:
    if not len(ends) or ends.dtype.kind not in "iu":
        raise EpisodeError(
            f"{path}: meta/episode_ends must be whole numbers, at least one, got {ends.dtype} {ends.shape}."
        )
    ends = ends.astype(np.int64)
    if (np.diff(ends, prepend=0) <= 0).any():
        raise EpisodeError(f"{path}: meta/episode_ends must grow from above 0, got {ends[:8].tolist()}. Copy it again.")
    for name, array in arrays.items():
        if array.shape[0] < ends[-1]:
            raise EpisodeError(
                f"{path}: '{name}' holds {array.shape[0]} steps, where meta/episode_ends needs {ends[-1]}. Copy it again."
            )
    return ends


def _is_camera(name: str, array: zarr.Array) -> bool:
    return array.ndim == 4 and array.shape[3] == 3 and array.dtype.kind in "uf" and not is_depth(name)


def _as_pixels(path: Path, name: str, stored: np.ndarray) -> UInt8[np.ndarray, "frame height width 3"]:
    """Returns the frames as uint8, which they must be but for the type that holds them."""
    if stored.dtype == np.uint8:
        return stored
    with np.errstate(invalid="ignore"):
        pixels = stored.astype(np.uint8)
    if not np.array_equal(pixels, stored):
        low, high = float(stored.min()), float(stored.max())
        raise EpisodeError(
            f"{path}: '{name}' of {stored.dtype} must hold whole numbers in 0..255 to be an image, got values in "
            f"{low:g}..{high:g}. Write it as uint8."
        )
    return pixels


def _read(path: Path, name: str, array: zarr.Array, part: slice) -> np.ndarray:
    # Read before any chunk is: decoding with the pickle codec would run what the file says.
    if "pickle" in json.dumps(array.metadata.to_dict(), default=str).lower():
        raise EpisodeError(f"{path}: '{name}' is stored as pickles, which are never opened. Write it as numbers.")
    try:
        return np.asarray(array[part])
    except (ValueError, KeyError, TypeError, RuntimeError, OSError, NotImplementedError) as error:
        raise EpisodeError(f"{path}: '{name}' cannot be read ({error}). Copy or download it again.") from error


def _unknown_codec(path: Path, error: Exception) -> str:
    told = str(error)
    if "pickle" in told:
        return f"{path}: an array is stored as pickles, which are never opened ({told}). Write it as numbers."
    if "imagecodecs" in told:
        return (
            f"{path}: its images are compressed with a codec of the package imagecodecs, which octoscope does not bring ({told}). "
            "Write them again with numcodecs.Blosc, or convert the dataset to LeRobot."
        )
    return f"{path}: an array cannot be opened ({told}). Write it again with a codec of numcodecs."


@dataclass(frozen=True)
class _ReplayEpisodes:
    path: Path
    arrays: Mapping[str, zarr.Array]
    ends: Int[np.ndarray, " episode"]
    cameras: Mapping[str, str]

    def __call__(self, position: int) -> Episode:
        start, stop = int(self.ends[position - 1]) if position else 0, int(self.ends[position])
        steps = slice(start, stop)
        action = next((name for name in _ACTIONS if name in self.arrays), None)
        numbers = {
            name: _read(self.path, name, array, steps)
            for name, array in self.arrays.items()
            if name not in self.cameras.values()
            and is_step_number((stop - start, *array.shape[1:]), array.dtype, steps=stop - start)
        }
        actions = numbers.pop(action, None) if action else None
        return Episode(
            images={camera: self._frames(key, start, stop) for camera, key in self.cameras.items()},
            instruction="",
            actions=None if actions is None else as_actions(actions),
            name="",
            dataset="",
            extras=numbers,
        )

    def _frames(self, key: str, start: int, stop: int) -> Frames:
        array = self.arrays[key]
        height, width = array.shape[1:3]
        block = max(1, min(array.chunks[0], CACHE_BYTES // max(1, height * width * 3)))
        return Frames(_FrameReader(self.path, key, array, start), shape=(stop - start, height, width, 3), block=block)


@dataclass(frozen=True, eq=False)
class _FrameReader:
    path: Path
    name: str
    array: Any
    first: int

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        return _as_pixels(
            self.path, self.name, _read(self.path, self.name, self.array, slice(self.first + start, self.first + stop))
        )
