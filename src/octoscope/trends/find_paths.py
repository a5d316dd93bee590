"""Every finished run among some paths, found without opening any."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.episodes.natural_order import natural_key
from octoscope.errors import RunError
from octoscope.runs.findings.finding_folder import FINDINGS
from octoscope.runs.unfinished import SUFFIX

_ENDING = ".zarr"


@dataclass(frozen=True)
class FoundRuns:
    """Runs, in their natural order, and what of others lies there."""

    paths: tuple[Path, ...]
    unfinished: tuple[Path, ...]


def find_run_paths(given: Sequence[Path]) -> FoundRuns:
    """Returns the runs themselves, and those in folders and below them, each once.

    Raises:
      RunError: If a path is not there, or holds no run.
    """
    paths: dict[Path, None] = {}
    unfinished: dict[Path, None] = {}
    for path in given:
        if not path.exists():
            raise RunError(f"There is no run or folder {path}.")
        below, begun = _below(path)
        if not below:
            raise RunError(
                f"There is no finished run (NAME{_ENDING}) in {path}."
                + (f" {len(begun)} are unfinished." if begun else "")
            )
        paths |= dict.fromkeys(below)
        unfinished |= dict.fromkeys(begun)
    return FoundRuns(tuple(paths), tuple(unfinished))


def _below(path: Path) -> tuple[list[Path], list[Path]]:
    if path.name.endswith(_ENDING):
        return [path], []
    runs: list[Path] = []
    begun: list[Path] = []
    for parent, folders, _ in os.walk(path):
        runs += [Path(parent) / name for name in folders if name.endswith(_ENDING)]
        begun += [Path(parent) / name for name in folders if name.endswith(_ENDING + SUFFIX)]
        # Runs in findings are parts of them, and inside a run there is none.
        folders[:] = [name for name in folders if name != FINDINGS and not name.endswith((_ENDING, _ENDING + SUFFIX))]
    return sorted(runs, key=lambda run: natural_key(str(run))), sorted(begun)
