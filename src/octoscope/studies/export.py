"""Runs as files that open in a browser from a disk."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.errors import OutputError, SelectionError
from octoscope.render.atomic_path import atomic_path
from octoscope.runs.contents import readable_bytes
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.export import ExportOptions
from octoscope.studies.shown_findings import drawers_of_findings
from octoscope.studies.telling import Tell, silent
from octoscope.viewer.gallery import site_files
from octoscope.viewer.served_runs import ServedRuns
from octoscope.viewer.single_file import ERROR, export_page


def export(options: ExportOptions, *, tell: Tell = silent, progress: bool = False) -> Sequence[Path]:
    """Returns the files that were written, after writing them.

    Args:
      options: Which runs, and where to.
      tell: Takes each size before its file is written.
      progress: Show a bar.

    Raises:
      RunError: If there is no run, or one is damaged or unfinished.
      SelectionError: If a run holds no rows of a group that was asked for, or it was not said what to write.
      OutputError: If something lies there, or it cannot be written.
    """
    if (options.html is None) == (options.site is None):
        raise SelectionError("Give --html FILE for one file, or --site FOLDER for a file a run and an index.")
    runs = ServedRuns(options.runs, drawers=drawers_of_findings)
    if options.html is not None:
        return [_one_file(options.html, runs, options, tell=tell, progress=progress)]
    assert options.site is not None, "one of both was given"
    return _site(options.site, runs, options, tell=tell)


def _one_file(path: Path, runs: ServedRuns, options: ExportOptions, *, tell: Tell, progress: bool) -> Path:
    if path.exists() and not options.overwrite:
        raise OutputError(f"{path} lies there already. Give --overwrite to replace it.")
    exported = export_page(runs.all_files(), runs.listed(), queries=options.queries, progress=progress)
    tell(f"{readable_bytes(len(exported.page))}: {exported.contents()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        part.write_bytes(exported.page)
    tell(f"{path}: open it in any browser. Weights differ from the run's by at most {ERROR}.")
    return path


def _site(folder: Path, runs: ServedRuns, options: ExportOptions, *, tell: Tell) -> list[Path]:
    with staged_output(folder.parent, [folder.name], overwrite=options.overwrite) as staging:
        (staging / folder.name).mkdir()
        names: list[str] = []
        for name, content, contents in site_files(runs.all_files(), runs.listed()["runs"], queries=options.queries):
            tell(f"{name}: {readable_bytes(len(content))}, {contents}")
            (staging / folder.name / name).write_bytes(content)
            names.append(name)
    tell(f"{folder / 'index.html'}: open it in any browser. Weights differ from the runs' by at most {ERROR}.")
    return [folder / name for name in names]
