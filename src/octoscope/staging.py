"""Hidden folders that results are made in before they appear, and what killed commands left of them."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from octoscope.run_lock import RunLock, read_lock

STAGING = ".unfinished-"


def make_staging(folder: Path, prefix: str = STAGING) -> tuple[Path, RunLock]:
    """Returns a new folder inside `folder`, and the lock by which others see that somebody works on it.

    Raises:
      OSError: If it cannot be made.
    """
    while True:
        staging = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        try:
            return staging, RunLock(staging)
        except FileNotFoundError:
            # Another command took the folder, still empty, for an abandoned one.
            continue


def remove_abandoned(folder: Path, prefix: str = STAGING) -> None:
    """Removes what killed commands left half made in a folder; never what a living process works on, here or on another machine."""
    for staging in folder.glob(f"{prefix}*"):
        # In this order: whoever has begun to write has a lock by then.
        empty = not any(staging.glob("*"))
        if read_lock(staging) is not None:
            continue
        if empty:
            # Somebody may just be making it: once its lock is in it, it can no longer be removed.
            with contextlib.suppress(OSError):
                staging.rmdir()
        else:
            shutil.rmtree(staging, ignore_errors=True)
