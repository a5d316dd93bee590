"""`octoscope heads`: what can be typed."""

from dataclasses import dataclass
from typing import Annotated

from octoscope.studies.options.values import Between
from octoscope.studies.options.vocabulary import Camera, FigureFormat, Full, OutputOrBeside, Overwrite, Query, RunPath


@dataclass(frozen=True)
class HeadsOptions:
    """Measure what each layer and head does: entropy, spread, stability, words, what it follows; and mark sinks.

    Writes heads/heads.md and heads.csv (the table), heads.png (a grid for each number), deviation.png (how far each step's map is from
    the mean map) and sinks.md. Heads are compared with the place of the gripper where masks tell it, as those of the embedded episodes
    do, else with where the frame changed. Example:

    octoscope heads output --camera wrist
    """

    run: RunPath
    query: Query = None
    # The maps are of its current frame; the first by default.
    camera: Camera = None
    # A token is marked as a sink from so many even weights on...
    sink_weight: Annotated[float, Between(1, 1e9)] = 5.0
    # ...if the standard deviation of its weight over steps is at most this part of the mean.
    sink_variation: Annotated[float, Between(0, 1e9)] = 0.5
    # Else of the dozen that look at the least.
    full: Full = False
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    # By default the one in which the run lies.
    output: OutputOrBeside = None
