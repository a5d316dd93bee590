"""`octoscope cnn activations`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from octoscope.studies.options.names import SALIENCY
from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.options.values import OneOf
from octoscope.studies.options.vocabulary import (
    OF_OBJECTIVE,
    Camera,
    FigureFormat,
    FiltersOrNone,
    FramesPerSecond,
    Image,
    LayerIfAny,
    Network,
    Output,
    Overwrite,
    Percentile,
    Seed,
    Stages,
    Unit,
)


@dataclass(frozen=True)
class CnnActivationsOptions:
    """Show what filters of a layer see in a picture: guided backprop and its rivals, with the check that they follow the weights.

    Writes activations.png, or activations.gif with --sweep. Examples:

    octoscope cnn activations vgg16 snake.png --layer 29 --filters 3 -o out
    octoscope cnn activations vgg16 snake.png --layer 29 --sweep filters -o out
    """

    network: Network
    image: Image
    # Not with --sweep layers.
    layer: LayerIfAny = None
    # One with --sweep layers; all of the layer by default with --sweep filters, else the first.
    filters: FiltersOrNone = None
    # The one method.
    method: Annotated[str, OneOf(SALIENCY)] = "guided"
    # The mean of its map, its strongest unit on this picture, or the one at --unit.
    objective: Annotated[Literal["mean", "strongest", "unit"], OF_OBJECTIVE] = "mean"
    unit: Unit = None
    # A film: one filter over all layers, or all chosen filters of one layer.
    sweep: Literal["none", "layers", "filters"] = "none"
    # They are drawn below.
    stages: Stages = 4
    seed: Seed = 0
    percentile: Percentile = 100.0
    fps: FramesPerSecond = 4.0
    # Its image encoder is the network; the first by default.
    camera: Camera = None
    stored: StoredPictures = field(default_factory=StoredPictures)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.sweep == "none":
            unused["fps"] = "only a film has it: --sweep."
        else:
            unused["stages"] = "a film has no check below it."
        if self.sweep == "layers":
            unused["layer"] = "--sweep layers goes through all of them."
        if self.sweep != "none" or not self.stages:
            unused["seed"] = "it is of the random weights of the check (--stages), which is left out."
        if self.objective != "unit":
            unused["unit"] = "it needs --objective unit."
        return unused
