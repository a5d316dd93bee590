"""HDF5 files opened for reading, nothing followed that leads out of them.

A link, a dataset's storage or a virtual dataset may name any file of the machine, and h5py would read it without a word. Needs
h5py, the extra `hdf5`.
"""

import contextlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from octoscope.errors import EpisodeError

HDF5_SUFFIXES = (".hdf5", ".h5", ".hdf")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Returns whether a file is called like HDF5 or begins like it."""
    if not path.is_file():
        return False
    if path.suffix.lower() in HDF5_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Gives the file, open for reading.

    Raises:
      EpisodeError: If h5py is not installed, or the file is damaged or being written.
    """
    if importlib.util.find_spec("h5py") is None:
        raise EpisodeError(f'{path}: an HDF5 file needs h5py: pip install "octoscope[hdf5]"')
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if "lock" in str(error).lower():
            raise EpisodeError(
                f"{path}: another program has it open for writing. Wait until it has closed the file."
            ) from error
        raise EpisodeError(f"{path}: cannot be opened as HDF5 ({error}). Copy or download it again.") from error
    with file:
        try:
            yield file
        except (OSError, RuntimeError) as error:
            raise EpisodeError(f"{path}: cannot be read ({error}). Copy or download it again.") from error


def child(group: Any, path: str) -> Any | None:
    """Returns what lies at a path below a group, or None; never what lies in another file.

    Raises:
      EpisodeError: If the way there, or the dataset's numbers, lie in another file.
    """
    return _follow(group, path, most_links=16)


def children(group: Any) -> dict[str, Any]:
    """Returns what lies directly in a group, by name.

    Raises:
      EpisodeError: If something there lies in another file.
    """
    members = {name: child(group, name) for name in group}
    return {name: member for name, member in members.items() if member is not None}


def is_dataset(node: Any) -> TypeGuard[Any]:
    """Returns whether a node is an array, not a group."""
    return node is not None and hasattr(node, "shape")


def json_attribute(node: Any, name: str) -> dict[str, Any]:
    """Returns an attribute that holds JSON; nothing where it is missing or holds something else."""
    try:
        value = json.loads(text_attribute(node, name))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def text_attribute(node: Any, name: str) -> str:
    """Returns an attribute that holds text; "" where it is missing or holds something else."""
    value = node.attrs.get(name, "")
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else ""


def _follow(group: Any, path: str, most_links: int) -> Any | None:
    import h5py

    node: Any = group
    for name in path.split("/"):
        link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise EpisodeError(
                f"'{str(node.name).rstrip('/')}/{name}' is a link into another file ({link.filename}), which is not followed. "
                "Copy the data into one file (h5repack, or h5py's File.copy with expand_external=True)."
            )
        if isinstance(link, h5py.SoftLink):
            if not most_links:
                raise EpisodeError(f"'{name}' is a link that leads in a circle. Write the file again.")
            start = node.file if link.path.startswith("/") else node
            node = _follow(start, link.path.strip("/"), most_links - 1)
            if node is None:
                return None
        else:
            node = node[name]
    if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
        raise EpisodeError(
            f"'{node.name}' keeps its numbers in other files, which are not opened. Copy the data into one file (h5repack)."
        )
    return node
