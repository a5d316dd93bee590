"""Frames of an HDF5 dataset: raw pictures, or rows of JPEG bytes, read when they are asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import simplejpeg

from octoscope.array_typing import UInt8
from octoscope.episodes.camera_names import is_depth
from octoscope.episodes.frames.frames import CACHE_BYTES, Frames
from octoscope.episodes.hdf5.safe_file import child, is_dataset, open_hdf5
from octoscope.episodes.image_codec import decode_image, is_encoded_image
from octoscope.errors import EpisodeError

_JPEG_MAGIC = b"\xff\xd8\xff"


def is_raw_camera(name: str, node: Any) -> TypeGuard[Any]:
    """Returns whether a dataset is a film: uint8, (time, height, width, 3), no depth map."""
    return is_dataset(node) and node.ndim == 4 and node.shape[3] == 3 and node.dtype == np.uint8 and not is_depth(name)


def is_compressed_camera(name: str, node: Any) -> bool:
    """Returns whether a dataset is a film of encoded pictures: a row of padded bytes, or a byte string, each step."""
    rows = is_dataset(node) and node.ndim == 2 and node.dtype == np.uint8
    strings = is_dataset(node) and node.ndim == 1 and node.dtype.kind in "OS"
    return (rows or strings) and len(node) > 0 and not is_depth(name) and is_encoded_image(_row_bytes(node, 0))


def stored_frames(path: Path, node: Any) -> Frames:
    """Returns the frames of a dataset of the open file, which is opened again when they are asked for."""
    if node.ndim == 4:
        frame_bytes = int(np.prod(node.shape[1:]))
        # What is compressed together is read together, as long as it fits what is kept.
        together = node.chunks[0] if node.chunks else 1
        block = max(1, min(together, CACHE_BYTES // max(1, frame_bytes)))
        return Frames(_RawReader(path, node.name), shape=node.shape, block=block)
    height, width = _decode(_row_bytes(node, 0), node.name, 0).shape[:2]
    return Frames(_EncodedReader(path, node.name, (height, width)), shape=(len(node), height, width, 3))


@dataclass(frozen=True)
class _RawReader:
    path: Path
    name: str

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        with open_hdf5(self.path) as file:
            return _find(file, self.name)[start:stop]


@dataclass(frozen=True)
class _EncodedReader:
    path: Path
    name: str
    size: tuple[int, int]

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        with open_hdf5(self.path) as file:
            node = _find(file, self.name)
            frames = [_decode(_row_bytes(node, step), self.name, step) for step in range(start, stop)]
        for step, frame in enumerate(frames, start):
            if frame.shape[:2] != self.size:
                raise EpisodeError(
                    f"image '{self.name}' must keep its (height, width) through the episode, got {frame.shape[:2]} at step {step} "
                    f"after {self.size}. Choose another camera."
                )
        return np.stack(frames)


def _find(file: Any, name: str) -> Any:
    node = child(file, name.strip("/"))
    if node is None:
        raise EpisodeError(f"{file.filename}: '{name}' is not there any more. Open the episodes again.")
    return node


def _row_bytes(node: Any, step: int) -> bytes:
    row = node[step]
    return row if isinstance(row, bytes) else np.asarray(row, np.uint8).tobytes()


def _decode(data: bytes, name: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
    try:
        # These recorders' programs decode exactly, as OpenCV does; zeros after the picture's end are padding.
        return simplejpeg.decode_jpeg(data) if data.startswith(_JPEG_MAGIC) else decode_image(data)
    except (EpisodeError, ValueError) as error:
        raise EpisodeError(f"image '{name}', step {step}: {error}") from error
