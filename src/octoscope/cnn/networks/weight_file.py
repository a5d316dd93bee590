"""Files of a network's weights, told apart by their first bytes and examined before they are read.

What is expected is known beforehand: of an .npz only these arrays are opened, and only when their headers declare the size
expected, since a small compressed file can claim to be gigabytes. Pickles (.pth) are never opened: they can run any program.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from octoscope.array_typing import Float32
from octoscope.checkpoints.safetensors_file import open_safetensors
from octoscope.checkpoints.stored_params import StoredParams
from octoscope.errors import CheckpointError

Shape = tuple[int, ...]

_KINDS = (
    (b"\x80", "a pickle, as older PyTorch writes it"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a single NumPy array (.npy)"),
    (b"version https://git-lfs", "a Git LFS pointer, so the file itself was not downloaded (git lfs pull)"),
)
_NPZ = "an .npz of NumPy arrays"
_TO_SAFETENSORS = (
    'Pickles can run programs and are never opened; where you trust it, convert it: python -c "import torch, safetensors.torch; '
    "safetensors.torch.save_file(torch.load('IN.pth', weights_only=True), 'OUT.safetensors')\""
)
# Bytes that the header of an array may take.
_HEADER_ROOM = 2**14


def open_weights(path: Path) -> StoredParams:
    """Returns the arrays of a safetensors file, not yet read.

    Raises:
      CheckpointError: If the file is missing, damaged or of another kind, saying which.
    """
    kind = _other_kind(path)
    if kind:
        raise CheckpointError(f"{path} is {kind}; a safetensors file is expected. {_advice(kind)}")
    try:
        return open_safetensors(path)
    except RecursionError:
        raise CheckpointError(
            f"{path} is no readable safetensors file: its header nests too deep. Copy it again."
        ) from None


def read_npz(path: Path, shapes: Mapping[str, Shape], *, network: str) -> dict[str, Float32[np.ndarray, "..."]]:
    """Returns the arrays of these names and shapes as float32; whatever else the file holds is not opened.

    Args:
      path: An .npz file.
      shapes: What is expected, by name.
      network: For the messages.

    Raises:
      CheckpointError: If the file is no .npz, or lacks an array, or one has another shape, is no real number, or not finite.
    """
    kind = _other_kind(path)
    if kind not in ("", _NPZ):
        raise CheckpointError(f"{path} is {kind}; an .npz of {network} is expected. {_advice(kind)}")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            missing = sorted(name for name in shapes if name not in entries)
            if missing:
                there = ", ".join(f"{name} {_npy_shape(archive, entry)}" for name, entry in list(entries.items())[:4])
                raise CheckpointError(
                    f"{path} does not hold {network}: {', '.join(missing[:4])} missing; it holds {there or 'nothing'}, ..."
                )
            return {name: _read_npy(archive, entries[name], name, shape) for name, shape in shapes.items()}
    except CheckpointError:
        raise
    # The parsers of zip and of NumPy's headers raise what they happen to stumble over.
    except Exception as error:
        message = str(error).removeprefix(f"{path}: ")
        raise CheckpointError(f"{path} cannot be read as weights of {network} ({message}). Copy it again.") from None


def require_file(path: Path) -> Path:
    """Returns the path with "~" resolved.

    Raises:
      CheckpointError: If no file lies there.
    """
    try:
        file = path.expanduser()
        if file.is_file():
            return file
    # "~nobody" has no home (RuntimeError), and a path may hold what no file system takes (ValueError).
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read ({error}). Check the path.") from None
    raise CheckpointError(f"{path} is missing or no file. Check the path of the weights.")


def check_finite(stored: np.ndarray, name: str, path: str | Path) -> Float32[np.ndarray, "..."]:
    """Returns an array of weights as float32.

    Raises:
      CheckpointError: If it holds no real numbers, or some that are NaN or infinite in float32.
    """
    # Half-precision types beside NumPy's own (bfloat16) are of kind "V".
    if stored.dtype.kind not in "fiuV":
        raise CheckpointError(f"{path}: '{name}' holds {stored.dtype}, no real numbers. Name a file of weights.")
    with np.errstate(over="ignore"):
        array = stored.astype(np.float32)
    if not (finite := np.isfinite(array)).all():
        raise CheckpointError(
            f"{path}: {np.sum(~finite):,} of the {array.size:,} numbers of '{name}' are NaN or infinite. "
            "The weights are damaged or training diverged: take others."
        )
    return array


def _read_npy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, shape: Shape) -> np.ndarray:
    # Zip reads no byte beyond the size that an entry declares, so this bounds what a small file can unfold to.
    most = 8 * int(np.prod(shape)) + _HEADER_ROOM
    if entry.file_size > most:
        raise ValueError(f"'{name}' has {entry.file_size:,} bytes, {shape} has at most {most:,}")
    with archive.open(entry) as file:
        stored = npy_format.read_array(file, allow_pickle=False)
    if stored.shape != shape:
        raise ValueError(f"'{name}' is {stored.shape}, not {shape}")
    return check_finite(stored, name, Path(str(archive.filename)))


def _npy_shape(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """Returns the shape that an entry's header declares; "" where it has none."""
    if entry.file_size < _HEADER_ROOM or entry.filename.endswith(".npy"):
        try:
            with archive.open(entry) as file:
                if npy_format.read_magic(file) == (1, 0):
                    return str(npy_format.read_array_header_1_0(file)[0])
        except Exception:  # as above; the name alone says enough
            return ""
    return ""


def _other_kind(path: Path) -> str:
    """Returns what a file is that is no safetensors file, by its first bytes; "" when nothing speaks against it."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    # A missing file, a folder, a name that cannot be: whoever opens it says so.
    except (OSError, ValueError):
        return ""
    if start.startswith(b"PK"):
        return _zip_kind(path)
    return next((kind for magic, kind in _KINDS if start.startswith(magic)), "")


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # the parser raises what it happens to stumble over
        return "a damaged zip file (.npz and PyTorch's .pth are zip files)"
    if any(name.endswith("data.pkl") for name in names):
        return "a pickle in a zip file, as PyTorch writes it (.pth)"
    return _NPZ if any(name.endswith(".npy") for name in names) else "a zip file"


def _advice(kind: str) -> str:
    return _TO_SAFETENSORS if "pickle" in kind else "Name the right file."
