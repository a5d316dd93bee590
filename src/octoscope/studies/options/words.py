"""`octoscope words`: what can be typed."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import (
    Camera,
    FigureFormat,
    HeadsOrNone,
    LayersOrNone,
    OutputOrBeside,
    Overwrite,
    RunPath,
    Scale,
    Steps,
)


@dataclass(frozen=True)
class WordsOptions:
    """Show where each word of the instruction looks, and what each patch gives to each word.

    Writes words/step_S_layer_L.png: words as columns, the window's frames as rows. Where the run holds rows of patches (`octoscope attend
    --queries readout obs_task_language obs_primary`), also words/patches_step_S_layer_L.png and words/patches.csv. Example:

    octoscope words output --layers 0,6,11 --heads 3
    """

    run: RunPath
    steps: Steps = "all"
    # The last that the run holds by default.
    layers: LayersOrNone = None
    # Each on sheets of its own; by default the mean over all.
    heads: HeadsOrNone = None
    # It alone is shown; all by default.
    camera: Camera = None
    # Also the end mark and the padding pieces, to which Octo attends as to words.
    padding: bool = False
    scale: Scale = "even"
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    # By default the one in which the run lies.
    output: OutputOrBeside = None
