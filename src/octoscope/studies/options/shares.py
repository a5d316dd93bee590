"""`octoscope shares`: what can be typed."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import FigureFormat, OutputOrBeside, Overwrite, Query, RunPath


@dataclass(frozen=True)
class SharesOptions:
    """Show how much attention goes to each camera and timestep, to words, to padding words, to the rest.

    Writes shares/bars.png (each layer), grids.png (each layer and head), curves_layer_L.png (over the steps), language_use.png and
    shares.csv. All shares of a query sum to 1; what even attention would give stands beside them. Example:

    octoscope shares output --query readout_action
    """

    run: RunPath
    query: Query = None
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    # By default the one in which the run lies.
    output: OutputOrBeside = None
