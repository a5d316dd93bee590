"""Every run below a folder, and how far each has come."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from octoscope.errors import RunError
from octoscope.run_lock import read_lock
from octoscope.runs.contents import folder_bytes
from octoscope.runs.findings.finding_head import FINDINGS, SUFFIX
from octoscope.runs.glance import glance_at

_ENDING = ".zarr"


@dataclass(frozen=True)
class RunSummary:
    """One line of the list: a run, or what there is of it."""

    path: Path
    # "whole", "7 of 12 steps", "7 of 12 steps, written by process 31 on lab", or what is wrong with it.
    state: str
    # False for an unfinished or broken run.
    whole: bool
    # Bytes on disk.
    size: int
    policy: str = ""
    episode: str = ""


def find_runs(folder: Path) -> Iterator[RunSummary]:
    """Yields the runs in a folder and all folders below it, but for those in findings, in the order of their paths.

    Raises:
      RunError: If there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}. Give one that holds runs (NAME.zarr).")
    if folder.name.endswith(_ENDING):
        yield summarize_run(folder)
        return
    seen: set[Path] = set()
    for parent, names, _ in sorted(os.walk(folder)):
        # A run in a finding is a part of it: changed, by compacting say, the finding would be damaged.
        if FINDINGS in Path(parent).relative_to(folder).parts:
            continue
        stores = [name for name in names if name.endswith((_ENDING, _ENDING + SUFFIX))]
        targets = {Path(parent) / name.removesuffix(SUFFIX) for name in stores}
        inside = any(part.endswith((_ENDING, _ENDING + SUFFIX)) for part in Path(parent).relative_to(folder).parts)
        for target in sorted(targets - seen):
            if not inside:
                seen.add(target)
                yield summarize_run(target)


def summarize_run(path: Path) -> RunSummary:
    """Returns what there is of the run at a path, in whatever state it is."""
    if (path.with_name(path.name + SUFFIX) / "run.zarr").is_dir():
        return _summarize_unfinished(path)
    manifest = glance_at(path)
    if manifest is None:
        # Not above: a list of sound runs is there before zarr would be imported.
        from octoscope.runs.run import Run

        try:
            manifest = Run.open(path).manifest
        except RunError as error:
            return RunSummary(path, str(error), False, folder_bytes(path))
    state = f"whole, {len(manifest['steps'])} steps"
    return RunSummary(path, state, True, folder_bytes(path), manifest["policy"], manifest["episode"])


def _summarize_unfinished(path: Path) -> RunSummary:
    from octoscope.runs.unfinished import Unfinished

    unfinished = Unfinished(path)
    writer = read_lock(unfinished.folder)
    kept = unfinished.told_progress()
    state = f"{kept}, written by process {writer['pid']} on {writer['host']}" if writer else f"{kept}, unfinished"
    attributes = unfinished.attributes()
    origin = (str(attributes.get(name, "")) for name in ("policy", "episode"))
    # An earlier run may still be there, until the new one is whole.
    return RunSummary(path, state, False, folder_bytes(unfinished.folder), *origin)
