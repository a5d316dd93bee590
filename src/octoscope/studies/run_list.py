"""What runs and findings lie in a folder."""

from pathlib import Path

from octoscope.runs.contents import readable_bytes
from octoscope.runs.find_runs import find_runs
from octoscope.runs.findings.find_findings import find_findings
from octoscope.studies.options.runs import ListRunsOptions
from octoscope.studies.telling import Tell, silent


def list_runs(options: ListRunsOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Tells a line for each run, then one for each finding."""
    told = False
    for run in find_runs(options.folder):
        told = True
        tell(_line(run.path, run.size, run.state, run.policy, run.episode))
    if not told:
        tell(f"There is no run in {options.folder}.")
    for finding in find_findings(options.folder):
        tell(_line(finding.path, finding.size, finding.state, finding.policy, finding.episodes))


def _line(path: Path, size: int, state: str, policy: str, episodes: str) -> str:
    origin = f"{' over '.join(filter(None, (policy, episodes)))}: " if policy else ""
    return f"{path}  {readable_bytes(size)}  {origin}{state}"
