"""Paths as people write them."""

import os
from pathlib import Path

from octoscope.errors import OctoscopeError


def user_path(path: str | os.PathLike[str]) -> Path:
    """Returns the path with '~' and '~name' at its beginning replaced by that user's home.

    Raises:
      OctoscopeError: If there is no such user.

    >>> user_path("output/run.zarr").as_posix()
    'output/run.zarr'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise OctoscopeError(
            f"{path}: there is no user '{Path(path).parts[0][1:]}' here whose home could be meant. Write the path out, or put './' "
            "before it if '~' belongs to its name."
        ) from None


def user_cache() -> Path:
    """Returns octoscope's folder among the user's caches: what is lost there costs time and nothing else."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "octoscope"
