"""A small file that is there as it was or as it is meant to be, after a kill and after a power cut."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Writes a file beside its place, forces it to the disk, and puts it into its place."""
    part = path.with_name(f"part-{path.name}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
