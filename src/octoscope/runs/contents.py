"""How much a folder takes, and bytes as people say them."""

import contextlib
import os
from pathlib import Path


def readable_bytes(count: int) -> str:
    """Returns a number of bytes as people say it, in decimal units.

    >>> readable_bytes(3_380_000), readable_bytes(950)
    ('3.4 MB', '950 bytes')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def folder_bytes(folder: Path) -> int:
    """Returns what the files of a folder take together; nothing for a folder that is not there."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            # A link into nowhere, or a file that its writer has just removed.
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).stat().st_size
    return total
