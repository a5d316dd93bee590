"""Whole files or none: write beside the target, rename at the end."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from octoscope.errors import OutputError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to; it becomes `path` when the block ends, and vanishes when the block raises.

    A reader never sees half a file, and an earlier file at `path` stays as it was until the new one is whole.

    Raises:
      OutputError: If the folder is missing or cannot be written, or the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(f"{folder}/a.txt") as part:
    ...         _ = part.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.txt']
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise OutputError(f"Cannot write {target}: the folder {target.parent} does not exist. Create it first.")
    # The process number keeps two writers of the same file apart; the suffix stays last, for writers that go by it.
    part = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"Cannot write {target}: {reason}. Check the folder's permissions and free space.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
