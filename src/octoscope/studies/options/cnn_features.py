"""`octoscope cnn features`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.stored import StoredFrames
from octoscope.studies.options.values import MOST, Between, FigureFormat, NotNegative, Positive, Selected


@dataclass(frozen=True)
class CnnFeaturesOptions:
    """Show a layer's feature maps on a picture, its kernels, the patches it answers to most, and what a unit can see.

    Writes feature_maps.png and receptive_field.png, kernels.png where the layer has kernels, top_patches.png with --patches. Example:

    octoscope cnn features embedded demo --layer conv2 --patches demo -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A picture file, or 'demo' for a frame of the embedded episode.
    image: Positional[str]
    # A layer, by name or index.
    layer: str
    # Filters: '3', '1 21 54', '0:16', 'all'; the strongest on the picture first by default.
    filter: Annotated[tuple[str, ...], Selected("filter")] = ()
    # How many of the strongest.
    most: Positive = 64
    # Stretch each feature map by itself, so that weak ones show.
    own_scale: bool = False
    # Row and column of the unit whose receptive field is drawn; the strongest of the first filter by default.
    unit: Annotated[tuple[int, int] | None, Between(0, MOST)] = None
    # A folder of pictures, an RLDS dataset, or 'demo': look there for the patches that filters answer to most.
    patches: str | None = None
    # Which episode of the dataset, and which camera.
    episode: NotNegative = 0
    # Which image encoder of a policy, and which camera of the episode; the first by default.
    camera: str | None = None
    # How pictures are stored.
    stored: StoredFrames = field(default_factory=StoredFrames)
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.patches is None:
            unused |= dict.fromkeys(("episode", "split", "cameras"), "it is of the dataset that --patches names.")
        if self.filter:
            unused["most"] = "--filter names the filters that are shown."
        return unused
