"""`octoscope cnn features`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path

from octoscope.studies.options.stored import StoredFrames
from octoscope.studies.options.values import Positive
from octoscope.studies.options.vocabulary import (
    Camera,
    Episode,
    FigureFormat,
    FiltersOrNone,
    Image,
    Layer,
    Network,
    Output,
    Overwrite,
    Unit,
)


@dataclass(frozen=True)
class CnnFeaturesOptions:
    """Show a layer's feature maps on a picture, its kernels, the patches it answers to most, and what a unit can see.

    Writes feature_maps.png and receptive_field.png, kernels.png where the layer has kernels, top_patches.png with --patches. Example:

    octoscope cnn features embedded demo --layer conv2 --patches demo -o out
    """

    network: Network
    image: Image
    layer: Layer
    # The strongest on the picture first by default.
    filters: FiltersOrNone = None
    # How many of the strongest.
    most: Positive = 64
    # Stretch each feature map by itself, so that weak ones show.
    own_scale: bool = False
    # Of the unit whose receptive field is drawn; the strongest of the first filter by default.
    unit: Unit = None
    # A folder of pictures, a dataset, or 'demo': look there for the patches that filters answer to most.
    patches: str | None = None
    # Of the dataset that --patches names.
    episode: Episode = "0"
    # Its image encoder is the network, and its frames are those of --patches; the first by default.
    camera: Camera = None
    stored: StoredFrames = field(default_factory=StoredFrames)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.patches is None:
            unused |= dict.fromkeys(("episode", "split", "cameras"), "it is of the dataset that --patches names.")
        if self.filters:
            unused["most"] = "--filters names the filters that are shown."
        return unused
