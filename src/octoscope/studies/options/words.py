"""`octoscope words`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.values import FigureFormat, Index, Scale, Selected


@dataclass(frozen=True)
class WordsOptions:
    """Show where each word of the instruction looks, and what each patch gives to each word.

    Writes words/step_S_layer_L.png: words as columns, the window's frames as rows. Where the run holds rows of patches (`octoscope attend
    --queries readout obs_task_language obs_primary`), also words/patches_step_S_layer_L.png and words/patches.csv. Example:

    octoscope words output/run.zarr --layers 0,6,11 --head 3
    """

    # A run that `octoscope attend` made.
    run: Positional[Path]
    # Steps of the episode: 'all' that the run holds, '4', '0,2,5', '0:10'.
    steps: Annotated[str, Selected("step")] = "all"
    # Layers, like steps; the last that the run holds by default.
    layers: Annotated[str | None, Selected("layer")] = None
    # One head; the mean over all by default.
    head: Index | None = None
    # Only this camera ('primary').
    camera: str | None = None
    # Also the end mark and the padding pieces, to which Octo attends as to words.
    padding: bool = False
    # How weights become colours: 'even', multiples of even attention on a log scale, the frame in colour where there is less; 'linear';
    # 'log'; or 'tile', each tile stretched to its own largest weight.
    scale: Scale = "even"
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")
