"""`octoscope compare`: what can be typed."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import (
    Camera,
    FigureFormat,
    LayersOrNone,
    OutputOrBeside,
    Overwrite,
    Query,
    RunPaths,
    Scale,
    Steps,
)


@dataclass(frozen=True)
class CompareOptions:
    """Lay two runs of one episode beside each other, step by step, or two steps of one run: both maps, and the signed difference.

    The runs may be of other words, of two checkpoints, or of the same policy before and after fine-tuning. Writes
    comparison/step_S_layer_L.png: a row for each, on one scale, and the second less the first, with 0 in the middle. Examples:

    octoscope compare output/before output/after --layers 11
    octoscope compare output --steps 2,8
    """

    # Two, or one with two --steps.
    runs: RunPaths
    # Of two runs, those that both hold.
    steps: Steps = "all"
    # By default all that both hold.
    layers: LayersOrNone = None
    query: Query = None
    # The first by default.
    camera: Camera = None
    scale: Scale = "even"
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    # By default the one in which the first run lies.
    output: OutputOrBeside = None
