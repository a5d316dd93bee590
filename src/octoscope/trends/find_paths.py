"""Every finished run among some paths, found without opening any."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.episodes.natural_order import natural_key
from octoscope.errors import RunError
from octoscope.runs.collection import Collection, is_collection, open_collection
from octoscope.runs.findings.finding_folder import FINDINGS
from octoscope.runs.unfinished import SUFFIX

_ENDING = ".zarr"
_MOST_NAMED = 5


@dataclass(frozen=True)
class FoundRuns:
    """Runs, in their natural order, and what of others lies there."""

    paths: tuple[Path, ...]
    unfinished: tuple[Path, ...]
    # Collections among what was given, or below it.
    collections: tuple[Collection, ...] = ()


def find_run_paths(given: Sequence[Path]) -> FoundRuns:
    """Returns the runs themselves, and those in folders and below them, each once.

    Raises:
      RunError: If a path is not there, or holds no run, or a collection lists a run that is not there.
    """
    paths: dict[Path, None] = {}
    unfinished: dict[Path, None] = {}
    collections: dict[Path, Collection] = {}
    for path in given:
        if not path.exists():
            raise RunError(f"There is no run or folder {path}.")
        found = _below(path)
        if not found.paths:
            raise RunError(
                f"There is no finished run (NAME{_ENDING}) in {path}."
                + (f" {len(found.unfinished)} are unfinished." if found.unfinished else "")
            )
        paths |= dict.fromkeys(found.paths)
        unfinished |= dict.fromkeys(found.unfinished)
        collections |= {collection.folder: collection for collection in found.collections}
    return FoundRuns(tuple(paths), tuple(unfinished), tuple(collections.values()))


def _below(path: Path) -> FoundRuns:
    if path.name.endswith(_ENDING):
        return FoundRuns((path,), ())
    runs: list[Path] = []
    begun: list[Path] = []
    collections: list[Collection] = []
    for parent, folders, _ in os.walk(path):
        if is_collection(Path(parent)):
            collections.append(open_collection(parent))
            runs += _listed(collections[-1])
            folders.clear()
            continue
        runs += [Path(parent) / name for name in folders if name.endswith(_ENDING)]
        begun += [Path(parent) / name for name in folders if name.endswith(_ENDING + SUFFIX)]
        # Runs in findings are parts of them, and inside a run there is none.
        folders[:] = [name for name in folders if name != FINDINGS and not name.endswith((_ENDING, _ENDING + SUFFIX))]
    ordered = sorted(runs, key=lambda run: natural_key(str(run)))
    return FoundRuns(tuple(ordered), tuple(sorted(begun)), tuple(collections))


def _listed(collection: Collection) -> list[Path]:
    """Returns the runs of a collection: all that are listed, but for those that are known to have failed.

    Raises:
      RunError: If one is listed, has not failed, and is not there.
    """
    failed = {failure.index for failure in collection.failures()}
    paths = {index: collection.path_of(index) for index in collection.episodes}
    missing = [index for index, path in paths.items() if not path.is_dir() and index not in failed]
    if missing:
        named = ", ".join(map(str, missing[:_MOST_NAMED])) + (", ..." if len(missing) > _MOST_NAMED else "")
        raise RunError(
            f"{collection.folder} lists {len(paths)} episodes, and the runs of {len(missing)} are not there (episodes {named}). "
            f"The `octoscope capture` that made it makes them; {paths[missing[0]].parent} instead takes those that are there."
        )
    return [path for path in paths.values() if path.is_dir()]
