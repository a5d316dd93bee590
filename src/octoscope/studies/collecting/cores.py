"""Processor cores that a worker claims for as long as it lives, so that none computes on another's."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# Held while the process lives: the system lets go of a lock when its process dies, however it dies.
_CLAIMED: list[IO[str]] = []


def claim_cores(count: int) -> tuple[int, ...]:
    """Keeps this process on cores that no other worker on this machine has claimed; call it before jax or torch is imported.

    Args:
      count: How many.

    Returns:
      The cores; fewer where there are not as many free, and none, with all left open, where the system cannot be told.
    """
    if fcntl is None or not hasattr(os, "sched_setaffinity"):
        return ()
    folder = Path(tempfile.gettempdir()) / f"octoscope-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    mine: list[int] = []
    for core in sorted(os.sched_getaffinity(0)):
        if len(mine) == count:
            break
        file = (folder / str(core)).open("w")
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _CLAIMED.append(file)
            mine.append(core)
            continue
        file.close()
    if mine:
        os.sched_setaffinity(0, mine)
    return tuple(mine)
