"""`octoscope cnn features`: feature maps, kernels, patches that answer most, and what a unit can see."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from octoscope.cli.cnn_picture import open_picture
from octoscope.cli.selection import parse_selection
from octoscope.cnn.feature_sheet import render_feature_maps, render_kernels
from octoscope.cnn.field_picture import render_unit_field
from octoscope.cnn.network import find_layer
from octoscope.cnn.sources import open_network
from octoscope.cnn.top_patches import render_top_patches, top_patches
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError, SelectionError
from octoscope.escaping.terminal import say
from octoscope.octo.image_resize import resize_image
from octoscope.render.image_file import write_png
from octoscope.runs.staged_output import staged_output

MAPS, KERNELS, PATCHES, FIELD = "feature_maps.png", "kernels.png", "top_patches.png", "receptive_field.png"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class CnnFeatures:
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
    filter: tuple[str, ...] = ()
    # How many of the strongest.
    most: int = 64
    # Stretch each feature map by itself, so that weak ones show.
    own_scale: bool = False
    # Row and column of the unit whose receptive field is drawn; the strongest of the first filter by default.
    unit: tuple[int, int] | None = None
    # A folder of pictures, an RLDS dataset, or 'demo': look there for the patches that filters answer to most.
    patches: str | None = None
    # Which episode of the dataset, and which camera.
    episode: int = 0
    # Which image encoder of a policy, and which camera of the episode; the first by default.
    camera: str | None = None
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Checks what was asked for, draws, and says where everything is."""
        if self.most < 1:
            raise SelectionError(f"`--most` must be at least 1, got {self.most}.")
        policy = self.network == "demo" or self.network.startswith("hf://") or Path(self.network).is_dir()
        network = open_network(self.network, camera=self.camera if policy else None)
        layer = find_layer(network, self.layer)
        filters = parse_selection(",".join(self.filter), count=layer.channels, what="filter") if self.filter else None
        picture = open_picture(self.image, network.input_size)
        with staged_output(self.output, [MAPS, KERNELS, PATCHES, FIELD], overwrite=self.overwrite) as folder:
            maps = render_feature_maps(
                network, picture, layer.name, filters, most=self.most, shared_scale=not self.own_scale
            )
            write_png(folder / MAPS, maps)
            field = render_unit_field(network, picture, layer.name, (filters or [0])[0], self.unit)
            write_png(folder / FIELD, field)
            if layer.kind == "conv":
                write_png(folder / KERNELS, render_kernels(network, layer.name, filters))
            if self.patches is not None:
                pictures = list(self._pictures(self.patches, network.input_size))
                found = top_patches(network, pictures, layer.name, filters or list(range(min(8, layer.channels))))
                write_png(folder / PATCHES, render_top_patches(network, layer.name, found, pictures=len(pictures)))
        say(f"What the layer makes of it: {self.output}")

    def _pictures(self, source: str, size: tuple[int, int]) -> Iterator[tuple[str, np.ndarray]]:
        folder = Path(source).expanduser()
        files = sorted(file for file in folder.glob("*") if file.suffix.lower() in _PICTURES) if folder.is_dir() else []
        if files:
            for file in files:
                yield file.name, read_picture(file, size)[0]
            return
        if source != "demo" and not folder.is_dir():
            raise EpisodeError(f"There is no folder of pictures or dataset {source}. Check the path.")
        episodes = open_episodes(source)
        if not 0 <= self.episode < len(episodes):
            raise SelectionError(f"`--episode` must be in 0..{len(episodes) - 1}, got {self.episode}.")
        images = episodes[self.episode].images
        if self.camera is not None and self.camera not in images:
            raise SelectionError(f"The episode has no camera '{self.camera}'. It has: {', '.join(images)}.")
        camera = self.camera or next(iter(images))
        for step, frame in enumerate(images[camera]):
            yield f"step {step}", resize_image(frame, size)
