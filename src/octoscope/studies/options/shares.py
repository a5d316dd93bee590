"""`octoscope shares`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.values import FigureFormat


@dataclass(frozen=True)
class SharesOptions:
    """Show how much attention goes to each camera and timestep, to words, to padding words, to the rest.

    Writes shares/bars.png (each layer), grids.png (each layer and head), curves_layer_L.png (over the steps), language_use.png and
    shares.csv. All shares of a query sum to 1; what even attention would give stands beside them. Example:

    octoscope shares output/run.zarr --query readout_action
    """

    # A run that `octoscope attend` made.
    run: Positional[Path]
    # Whose attention: a token group, 'GROUP:TOKEN', or 'word:WORD'; the first readout by default.
    query: str | None = None
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")
