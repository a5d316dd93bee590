"""Parameters in one safetensors file: quick to index, and readable by any other program.

The format is 8 bytes of header length, a JSON header {name: {"dtype", "shape", "data_offsets"}}, then the entries. It is written
here array by array: the `safetensors` library's `save_file` holds all of them a second time, and its NumPy reader maps the file.
Specification: https://github.com/huggingface/safetensors#format
"""

import json
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from octoscope.checkpoints.stored_params import (
    ArraySpec,
    FilePlace,
    PathArrays,
    StoredParams,
    aligned_empty,
    check_places,
    read_places,
    require_file,
)
from octoscope.errors import CheckpointError

_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    **{f"{letter}{8 * n}": np.dtype(f"{kind}{n}") for letter, kind in (("I", "i"), ("U", "u")) for n in (1, 2, 4, 8)},
    "BOOL": np.dtype(np.bool_),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_METADATA = "__metadata__"
# The library's own limit.
_LONGEST_HEADER = 100_000_000
# Bytes from which on an array's pages are given back; all small arrays together are little.
_WORTH_ADVICE = 1 << 20


def open_safetensors(path: Path) -> StoredParams:
    """Returns the parameters of a safetensors file, not yet read; names are "/"-joined parameter paths.

    Raises:
      CheckpointError: If the file is missing, empty, truncated or something else.
    """
    places = _places(path)

    def arrays() -> PathArrays:
        with path.open("rb") as file:
            yield from read_places(file, places)

    return StoredParams("safetensors", (path,), {name: place.spec for name, place in places.items()}, arrays)


def map_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a safetensors file by name, read-only, as they lie in it: nothing is read until it is used.

    Copy what shall outlive the file's next overwriting.

    Raises:
      CheckpointError: If the file is missing, empty, truncated or something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "two.safetensors"
    ...     header = b'{"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    ...     _ = path.write_bytes(struct.pack("<Q", len(header)) + header + bytes([128, 63, 0, 64]))
    ...     map_safetensors(path)["a"].astype(np.float32)
    array([1., 2.], dtype=float32)
    """
    places = _places(path)
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {name: _mapped(content, place) for name, place in places.items()}


def copy_mapped(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns a copy that jax on a CPU takes over as it lies, and lets go of the file's pages: memory holds the array once.

    Args:
      array: From `map_safetensors`; any other array is copied too.
      dtype: Of the copy.

    >>> copy_mapped(np.array([1, 2]), np.dtype(np.float32))
    array([1., 2.], dtype=float32)
    """
    copy = aligned_empty(ArraySpec(array.shape, dtype))
    copy[...] = array
    base = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    # Windows has no such advice, and counts mapped pages apart.
    if base is not None and array.nbytes >= _WORTH_ADVICE and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
    return copy


def _mapped(content: mmap.mmap, place: FilePlace) -> np.ndarray:
    ((offset, _),) = place.pieces
    spec = place.spec
    return (
        np.frombuffer(content, spec.dtype, spec.size, offset).reshape(spec.shape)
        if spec.size
        else np.empty(spec.shape, spec.dtype)
    )


def _places(path: Path) -> dict[str, FilePlace]:
    require_file(path)
    try:
        places = _read_header(path)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({type(error).__name__}: {error}). Copy it again from its source."
        ) from None
    check_places(path, places)
    _check_gapless(path, places)
    return places


def _read_header(path: Path) -> dict[str, FilePlace]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_LONGEST_HEADER, path.stat().st_size):
            raise ValueError(f"a header of {length:,} bytes in a file of {path.stat().st_size:,}")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    places: dict[str, FilePlace] = {}
    for name, entry in header.items():
        if name != _METADATA:
            start, stop = entry["data_offsets"]
            if start < 0 or stop < start:
                raise ValueError(f"'{name}' lies at {start}..{stop} of the entries")
            spec = ArraySpec(tuple(int(n) for n in entry["shape"]), _DTYPES[entry["dtype"]])
            places[name] = FilePlace(spec, ((8 + length + start, stop - start),))
    return dict(sorted(places.items(), key=lambda item: item[1].pieces))


def _check_gapless(path: Path, places: Mapping[str, FilePlace]) -> None:
    """Refuses arrays that share bytes or leave some between them: the format allows neither, and their numbers would be others'."""
    ends = {name: place.pieces[0][0] + place.pieces[0][1] for name, place in places.items()}
    starts = {name: place.pieces[0][0] for name, place in places.items()}
    before = None
    for name in places:
        if before is not None and starts[name] != ends[before]:
            raise CheckpointError(
                f"{path} is damaged: '{name}' begins at byte {starts[name]:,}, but '{before}' ends at {ends[before]:,}. Copy it again "
                "from its source."
            )
        before = name
    size = path.stat().st_size
    if before is not None and ends[before] != size:
        raise CheckpointError(
            f"{path} goes on for {size - ends[before]:,} bytes after the last parameter. Copy it again from its source."
        )


def write_safetensors(path: Path, stored: StoredParams, *, metadata: Mapping[str, str]) -> None:
    """Writes parameters one at a time, as they are stored: no dtype changes.

    Args:
      path: The file; overwritten.
      stored: The parameters, read while they are written.
      metadata: Texts for the header.

    Raises:
      CheckpointError: If an array has a dtype that safetensors cannot hold.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, spec in stored.specs.items():
        if spec.dtype not in _NAMES:
            raise CheckpointError(
                f"'{name}' is {spec.dtype}, which safetensors cannot hold. It can: {', '.join(_DTYPES)}."
            )
        header[name] = {"dtype": _NAMES[spec.dtype], "shape": spec.shape, "data_offsets": (end, end + spec.nbytes)}
        end += spec.nbytes
    text = json.dumps(header).encode()
    # Spaces bring the first entry to a boundary of 64 bytes, where a reader that maps the file may use it as it lies.
    text += b" " * (-(8 + len(text)) % 64)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for (name, array), expected in zip(stored.arrays(), stored.specs, strict=True):
            if name != expected:
                raise AssertionError(f"arrays come in another order than their specs: {name}, {expected}")
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
