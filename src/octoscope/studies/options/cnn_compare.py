"""`octoscope cnn compare`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.names import CAMS, SALIENCY
from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.options.values import FigureFormat, NotNegative, OneOf, Percentile, Positive, Seed


@dataclass(frozen=True)
class CnnCompareOptions:
    """Put one picture through all methods: which to choose, what each costs, and whether it follows the weights at all.

    Writes compare.png and prints the table. Example:

    octoscope cnn compare squeezenet:weights.npz cat_dog.png -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A picture file, or 'demo' for a frame of the embedded episode.
    image: Positional[str] = "demo"
    # Class, by number; the one with the highest score by default.
    target: NotNegative | None = None
    # Layer of the class activation maps; by default the last with a map that weights still follow.
    layer: str | None = None
    # gradient, guided, deconvnet, smoothgrad, integrated, gradcam, gradcam++, layercam, scorecam, ablationcam; all by default.
    method: Annotated[tuple[str, ...], OneOf((*SALIENCY, *CAMS))] = ()
    # Steps of the weight-randomisation check.
    stages: Positive = 3
    # Of the random weights.
    seed: Seed = 0
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # Where the scales of pixel maps end; below 100 the strongest values are cut off, and the sheet says so.
    percentile: Percentile = 100.0
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
        if self.method and not set(CAMS) & set(self.method):
            unused["layer"] = "it is of class activation maps, and --method names none."
        if self.method and not set(SALIENCY) & set(self.method):
            unused["percentile"] = "it is of pixel maps, and --method names none."
        return unused
