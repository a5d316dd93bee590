"""Parameters as they lie in a file: where each array is, and a way to read them one at a time.

The weights are never held twice: an array is read straight into the memory that jax then uses, or mapped by a reader that copies
what it keeps (`map_safetensors`). No policy computes on a map: a file overwritten in place would then change or kill it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from octoscope.errors import CheckpointError

# What XLA wants before it takes an array on the host as it lies, without a copy.
_ALIGNMENT = 64
# Longer than any axis of a policy; a header that says more is broken.
_LONGEST_AXIS = 2**31
_LFS = b"version https://git-lfs"

PathArrays = Iterator[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class ArraySpec:
    """Shape and dtype of one stored array."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the entries."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True)
class FilePlace:
    """Where the entries of one array lie in a file, in C order: in one piece, or in several."""

    spec: ArraySpec
    # (offset, bytes) of each piece.
    pieces: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class StoredParams:
    """All parameters of one step, not yet read."""

    # "msgpack", "safetensors", "orbax ocdbt" or "orbax zarr".
    format: str
    # The files they lie in.
    files: tuple[Path, ...]
    # By "/"-joined parameter path.
    specs: Mapping[str, ArraySpec]
    # Reads all arrays in the order they are stored in, one at a time.
    arrays: Callable[[], PathArrays]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Names of the dtypes stored, each once."""
        return tuple(dict.fromkeys(spec.dtype.name for spec in self.specs.values()))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(spec.size for spec in self.specs.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all parameters as stored."""
        return sum(spec.nbytes for spec in self.specs.values())


def read_places(file: BinaryIO, places: Mapping[str, FilePlace]) -> PathArrays:
    """Reads arrays out of an open file, each into fresh aligned memory of its own.

    Raises:
      CheckpointError: If the file ends before an array does.
    """
    for path, place in places.items():
        array = aligned_empty(place.spec)
        memory = array.reshape(-1).view(np.uint8).data
        start = 0
        for offset, nbytes in place.pieces:
            file.seek(offset)
            if nbytes and file.readinto(memory[start : start + nbytes]) != nbytes:  # pyright: ignore[reportAttributeAccessIssue]
                raise CheckpointError(f"{file.name} ends inside '{path}'. It was cut short while it was read.")
            start += nbytes
        yield path, array


def aligned_empty(spec: ArraySpec) -> np.ndarray:
    """Returns an array of unset entries that jax on a CPU takes over without copying."""
    memory = np.empty(spec.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + spec.nbytes].view(spec.dtype).reshape(spec.shape)


def check_places(path: Path, places: Mapping[str, FilePlace]) -> None:
    """Compares what an index says with the bytes that are there.

    Raises:
      CheckpointError: If an array ends beyond the file, its bytes do not make its shape, or they are no numbers.
    """
    size = path.stat().st_size
    for name, place in places.items():
        shape, dtype = place.spec.shape, place.spec.dtype
        if not all(0 <= length < _LONGEST_AXIS for length in shape) or not is_numeric(dtype):
            raise CheckpointError(
                f"{path} says that '{name}' is {shape} of {dtype}, which is no array of numbers. Copy it again from its source."
            )
        nbytes = sum(nbytes for _, nbytes in place.pieces)
        if nbytes != place.spec.nbytes:
            raise CheckpointError(
                f"{path} holds {nbytes:,} bytes for '{name}', but {place.spec.shape} {place.spec.dtype} needs "
                f"{place.spec.nbytes:,}. Copy it again from its source."
            )
        end = max((offset + nbytes for offset, nbytes in place.pieces), default=0)
        if end > size or min((offset for offset, _ in place.pieces), default=0) < 0:
            raise CheckpointError(
                f"{path} is truncated: '{name}' ends at byte {end:,}, the file at {size:,}. Copy it again from its source."
            )


def is_numeric(dtype: np.dtype) -> bool:
    """Returns whether entries are plain numbers or truths, those of `ml_dtypes` among them."""
    return dtype.kind in "biuf" or (
        dtype.names is None and dtype.subdtype is None and dtype.type.__module__ == "ml_dtypes"
    )


def require_file(path: Path) -> None:
    """Refuses a file that is missing, empty, or only a pointer to the real one.

    Raises:
      CheckpointError: Saying which of these it is.
    """
    if not path.is_file():
        raise CheckpointError(f"A checkpoint needs the file {path}, which is missing.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty. Copy it again from its source.")
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise CheckpointError(
                f"{path} is a Git LFS pointer, not the weights. Run `git lfs pull` in that folder, or give 'hf://owner/name'."
            )
