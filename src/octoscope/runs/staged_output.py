"""Results that appear whole or not at all, and never mix with those of an earlier run."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from octoscope.errors import OutputError
from octoscope.run_lock import RunLock
from octoscope.staging import make_staging, remove_abandoned


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
        staging, lock = make_staging(output)
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
