"""`octoscope cnn compare`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from octoscope.studies.options.names import CAMS, SALIENCY
from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.options.values import NotNegative, OneOf
from octoscope.studies.options.vocabulary import (
    OF_METHODS,
    Camera,
    FigureFormat,
    Image,
    LayerIfAny,
    Network,
    Output,
    Overwrite,
    Percentile,
    Seed,
    Stages,
)


@dataclass(frozen=True)
class CnnCompareOptions:
    """Put one picture through all methods: which to choose, what each costs, and whether it follows the weights at all.

    Writes compare.png and prints the table. Example:

    octoscope cnn compare squeezenet:weights.npz cat_dog.png -o out
    """

    network: Network
    image: Image = "demo"
    # Class, by number; the one with the highest score by default.
    target: NotNegative | None = None
    # That of the class activation maps; by default the last with a map that weights still follow.
    layer: LayerIfAny = None
    # All by default.
    methods: Annotated[tuple[str, ...], OneOf((*SALIENCY, *CAMS)), OF_METHODS] = ()
    stages: Stages = 3
    seed: Seed = 0
    # Its image encoder is the network; the first by default.
    camera: Camera = None
    percentile: Percentile = 100.0
    stored: StoredPictures = field(default_factory=StoredPictures)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.methods and not set(CAMS) & set(self.methods):
            unused["layer"] = "it is of class activation maps, and --methods names none."
        if self.methods and not set(SALIENCY) & set(self.methods):
            unused["percentile"] = "it is of pixel maps, and --methods names none."
        return unused
