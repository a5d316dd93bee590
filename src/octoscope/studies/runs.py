"""Whether runs are sound, and making them smaller."""

from pathlib import Path

from octoscope.errors import RunError
from octoscope.runs.compact import compact_run
from octoscope.runs.contents import readable_bytes
from octoscope.runs.find_runs import find_runs
from octoscope.runs.run import Run
from octoscope.runs.verify import verify_run
from octoscope.studies.options.runs import CompactRunOptions, VerifyRunsOptions
from octoscope.studies.telling import Tell, silent


def verify_runs(options: VerifyRunsOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Reads runs from end to end, and tells what is wrong.

    Raises:
      RunError: At the end, when something is.
    """
    paths = [path for given in options.runs for path in _paths(given)]
    broken = [path for path in paths if not _verify(path, tell=tell)]
    if broken:
        raise RunError(f"{len(broken)} of {len(paths)} runs are not sound: {', '.join(map(str, broken))}.")


def compact_runs(options: CompactRunOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Rewrites runs into fewer and smaller files, and tells what it saved.

    Raises:
      RunError: If there is no run, or one is damaged.
    """
    for path in [path for given in options.runs for path in _paths(given)]:
        before, after = compact_run(path)
        tell(f"{path}: {readable_bytes(before)}, now {readable_bytes(after)}")


def _paths(given: Path) -> list[Path]:
    """Returns the path itself, or the runs below it when it is a folder and no run."""
    if not given.is_dir() or (given / "zarr.json").exists():
        return [given]
    found = [summary.path for summary in find_runs(given)]
    if not found:
        raise RunError(f"There is no run in {given}.")
    return found


def _verify(path: Path, *, tell: Tell) -> bool:
    try:
        run = Run.open(path)
        problems = [f"{path}: {problem}" for problem in verify_run(run)]
    except RunError as error:
        problems = [str(error)]
    # One that cannot even be checked must not keep the others from it.
    except Exception as error:
        problems = [f"{path}: cannot be checked ({type(error).__name__}: {error})"]
    else:
        if not problems:
            tell(f"{path}: sound, {len(run.steps)} steps")
    for problem in problems:
        tell(*problem.split("\n"))
    return not problems
