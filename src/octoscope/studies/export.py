"""Runs as one file that opens in a browser from a disk."""

from octoscope.errors import OutputError
from octoscope.render.atomic_path import atomic_path
from octoscope.runs.contents import readable_bytes
from octoscope.studies.options.export import ExportOptions
from octoscope.studies.shown_findings import drawers_of_findings
from octoscope.studies.telling import Tell, silent
from octoscope.viewer.served_runs import ServedRuns
from octoscope.viewer.single_file import Exported, export_page


def export(options: ExportOptions, *, tell: Tell = silent, progress: bool = False) -> Exported:
    """Returns what was written, after writing it.

    Args:
      options: Which runs, and where to.
      tell: Takes the size before the file is written.
      progress: Show a bar.

    Raises:
      RunError: If there is no run, or one is damaged or unfinished.
      SelectionError: If a run holds no rows of a group that was asked for.
      OutputError: If a file lies there, or it cannot be written.
    """
    if options.html.exists() and not options.overwrite:
        raise OutputError(f"{options.html} lies there already. Give --overwrite to replace it.")
    exported = export_page(
        ServedRuns(options.runs, drawers=drawers_of_findings), queries=options.queries, progress=progress
    )
    tell(f"{readable_bytes(len(exported.page))}: {exported.contents()}")
    options.html.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(options.html) as part:
        part.write_bytes(exported.page)
    tell(
        f"{options.html}: open it in any browser. Weights differ from the run's by at most {exported.error_sentence()}."
    )
    return exported
