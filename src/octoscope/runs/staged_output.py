"""Results that appear whole or not at all, and never mix with those of an earlier run."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from octoscope.errors import OutputError
from octoscope.runs.run_lock import RunLock, read_lock

_STAGING = ".unfinished-"


@contextlib.contextmanager
def staged_output(output: Path, patterns: Sequence[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Gives a folder to write into, and moves what was written there to `output` when all went well.

    Args:
      output: The folder that results go to; made when missing.
      patterns: All files and folders that a run of this kind may leave in `output`, as for `Path.glob`.
      overwrite: Replace what an earlier run left there; otherwise that is an error.

    Raises:
      OutputError: If `output` cannot be written, or holds results of an earlier run.
    """
    if not overwrite:
        check_no_results(output, patterns)
    remove_abandoned(output)
    held = _held(output, patterns)
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    staging: Path | None = None
    lock: RunLock | None = None
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging, lock = _make_staging(output)
        (staging / "new").mkdir()
        yield staging / "new"
        _swap(staging, output, held)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"The output folder {output} cannot be written ({reason}). Give another with -o.") from error
    finally:
        if staging is not None and lock is not None:
            lock.release()
            shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def remove_abandoned(output: Path) -> None:
    """Removes what killed commands left half made in a folder; never what a living process works on, here or on another machine."""
    for folder in output.glob(f"{_STAGING}*"):
        # In this order: whoever has begun to write has a lock by then.
        empty = not any(folder.glob("*"))
        if read_lock(folder) is not None:
            continue
        if empty:
            # Somebody may just be making it: once its lock is in it, it can no longer be removed.
            with contextlib.suppress(OSError):
                folder.rmdir()
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _make_staging(output: Path) -> tuple[Path, RunLock]:
    while True:
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=output))
        try:
            return staging, RunLock(staging)
        except FileNotFoundError:
            # Another command took the folder, still empty, for an abandoned one.
            continue


def check_no_results(output: Path, patterns: Sequence[str]) -> None:
    """Refuses a folder that holds results already, before any work is done.

    Raises:
      OutputError: Naming what is there.
    """
    held = _held(output, patterns)
    if held:
        names = ", ".join(path.name for path in held)
        raise OutputError(
            f"{output} already holds results of an earlier run ({names}). Give another folder with -o, or --overwrite."
        )


def remove_results(output: Path, patterns: Sequence[str]) -> None:
    """Removes the results that an earlier run left in a folder."""
    for path in _held(output, patterns):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _held(output: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in output.glob(pattern)})


def _swap(staging: Path, output: Path, held: Sequence[Path]) -> None:
    """Moves old results aside and new ones in; puts the old ones back when that fails halfway."""
    (staging / "old").mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for path in held:
            moved.append((path, path.rename(staging / "old" / path.name)))
        for path in sorted((staging / "new").iterdir()):
            moved.append((path, path.rename(output / path.name)))
    except OSError:
        for before, after in reversed(moved):
            after.rename(before)
        raise
