"""`octoscope cnn activations`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.studies.options.names import SALIENCY
from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.options.values import (
    MOST,
    Between,
    FigureFormat,
    FramesPerSecond,
    NotNegative,
    OneOf,
    Percentile,
    Seed,
    Selected,
)


@dataclass(frozen=True)
class CnnActivationsOptions:
    """Show what filters of a layer see in a picture: guided backprop and its rivals, with the check that they follow the weights.

    Writes activations.png, or activations.gif with --sweep. Examples:

    octoscope cnn activations vgg16 snake.png --layer 29 --filter 3 -o out
    octoscope cnn activations vgg16 snake.png --layer 29 --sweep filters -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A picture file, or 'demo' for a frame of the embedded episode.
    image: Positional[str]
    # A layer, by name or index; not needed with --sweep layers.
    layer: str | None = None
    # Filters: '3', '1 21 54', '0:16', 'all'. One with --sweep layers; all of the layer by default with --sweep filters.
    filter: Annotated[tuple[str, ...], Selected("filter")] = ()
    # guided, gradient, deconvnet, smoothgrad or integrated.
    method: Annotated[str, OneOf(SALIENCY)] = "guided"
    # What of a filter is explained: the mean of its map, its strongest unit on this picture, or the one at --unit.
    objective: Literal["mean", "strongest", "unit"] = "mean"
    # Row and column in the feature map.
    unit: Annotated[tuple[int, int] | None, Between(0, MOST)] = None
    # A film: one filter over all layers, or all chosen filters of one layer.
    sweep: Literal["none", "layers", "filters"] = "none"
    # Stages of the weight-randomisation check, drawn below; 0 for none.
    sanity: NotNegative = 4
    # Of the random weights.
    seed: Seed = 0
    # Where the scales end; below 100 the strongest values are cut off, and the sheet says so.
    percentile: Percentile = 100.0
    # Frames of the film per second.
    fps: FramesPerSecond = 4.0
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # How pictures are stored.
    stored: StoredPictures = field(default_factory=StoredPictures)
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.sweep == "none":
            unused["fps"] = "only a film has it: --sweep."
        else:
            unused["sanity"] = "a film has no check below it."
        if self.sweep == "layers":
            unused["layer"] = "--sweep layers goes through all of them."
        if self.sweep != "none" or not self.sanity:
            unused["seed"] = "it is of the random weights of the check (--sanity), which is left out."
        if self.objective != "unit":
            unused["unit"] = "it needs --objective unit."
        return unused
