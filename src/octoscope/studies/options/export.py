"""`octoscope export`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class ExportOptions:
    """Write runs as a page that opens from a disk, without any server: everything that `octoscope view` shows but what-if.

    Weights are rounded to a byte each (the square root of their part of their row's largest); the file says by how much they may differ.
    Its size is told before it is written. Examples:

    octoscope export output/run.zarr --html run.html
    octoscope export output --site gallery --queries readout_action
    """

    # Runs, folders that hold some, or collections.
    runs: Positional[tuple[Path, ...]]
    # One file with all of them.
    html: Path | None = None
    # A folder with a file for each of them, and an index that shows them side by side.
    site: Path | None = None
    # Only the rows of these token groups; all that the runs hold by default.
    queries: Annotated[tuple[str, ...], arg(metavar="GROUP")] = ()
    # Replace what an earlier call wrote.
    overwrite: bool = False
