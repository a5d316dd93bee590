"""Every finding below a folder, and how far each has come."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from octoscope.errors import FindingError
from octoscope.run_lock import read_lock
from octoscope.runs.contents import folder_bytes
from octoscope.runs.findings.finding_head import FINDINGS, SUFFIX, kept_count, read_head

_MOST_NAMED = 3


@dataclass(frozen=True)
class FindingSummary:
    """One line of the list: a finding, or what there is of it."""

    path: Path
    # "whole", "7 parts are kept, unfinished", or what is wrong with it.
    state: str
    # False for an unfinished or broken finding.
    whole: bool
    # Bytes on disk.
    size: int
    policy: str = ""
    # Names of the episodes, the first few.
    episodes: str = ""


def find_findings(folder: Path) -> Iterator[FindingSummary]:
    """Yields the findings in a folder and all folders below it, in the order of their paths."""
    paths = {path for path in folder.rglob(f"{FINDINGS}/*/*") if path.is_dir() and not path.name.startswith(".")}
    for path in sorted({path.with_name(path.name.removesuffix(SUFFIX)) for path in paths}):
        yield summarize_finding(path)


def summarize_finding(path: Path) -> FindingSummary:
    """Returns what there is of the finding at a path, in whatever state it is."""
    unfinished = path.with_name(path.name + SUFFIX)
    if not path.exists() and unfinished.exists():
        writer, count = read_lock(unfinished), kept_count(unfinished)
        by = f"made by process {writer['pid']} on {writer['host']}" if writer else "unfinished: go on with --resume"
        state = f"{count} {'part is' if count == 1 else 'parts are'} kept, {by}"
        return FindingSummary(path, state, False, folder_bytes(unfinished))
    try:
        made_from = read_head(path).provenance
    except FindingError as error:
        return FindingSummary(path, str(error), False, folder_bytes(path))
    names = [str(each["name"]) for each in made_from.get("episodes", ())]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    told = ", ".join(names[:_MOST_NAMED]) + more
    return FindingSummary(path, "whole", True, folder_bytes(path), str(made_from.get("policy", "")), told)
