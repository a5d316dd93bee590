"""`octoscope cnn features`: feature maps, kernels, patches that answer most, and what a unit can see."""

from collections.abc import Iterator

import numpy as np

from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.filters.feature_sheet import feature_maps_sheet, kernels_sheet
from octoscope.cnn.filters.field_picture import unit_field_sheet
from octoscope.cnn.filters.top_patches import top_patches, top_patches_sheet
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.sources import names_policy, open_network
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError, SelectionError
from octoscope.escaping.terminal import say
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.render.view import save_view
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.cnn_features import CnnFeaturesOptions
from octoscope.studies.options.names import figure_files
from octoscope.studies.selection import parse_selection
from octoscope.user_path import user_path

MAPS, KERNELS, PATCHES, FIELD = "feature_maps", "kernels", "top_patches", "receptive_field"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class CnnFeatures(CnnFeaturesOptions):
    """`octoscope cnn features` at work."""

    def __call__(self) -> None:
        """Checks what was asked for, draws, and says where everything is."""
        if self.most < 1:
            raise SelectionError(f"`--most` must be at least 1, got {self.most}.")
        policy = names_policy(self.network)
        if self.camera is not None and not policy and self.patches is None:
            raise SelectionError(
                f"--camera would change nothing: '{self.network}' is no policy, and no --patches are looked for in a dataset. "
                "Leave it out."
            )
        network = open_network(self.network, camera=self.camera if policy else None)
        layer = find_layer(network, self.layer)
        filters = parse_selection(",".join(self.filter), count=layer.channels, what="filter") if self.filter else None
        picture = open_picture(self.image, network.input_size)
        with staged_output(
            self.output, figure_files(MAPS, KERNELS, PATCHES, FIELD), overwrite=self.overwrite
        ) as folder:
            maps = feature_maps_sheet(
                network, picture, layer.name, filters, most=self.most, shared_scale=not self.own_scale
            )
            save_view(maps, folder / f"{MAPS}.{self.figure_format}")
            field = unit_field_sheet(network, picture, layer.name, (filters or [0])[0], self.unit)
            save_view(field, folder / f"{FIELD}.{self.figure_format}")
            if layer.kind == "conv":
                save_view(kernels_sheet(network, layer.name, filters), folder / f"{KERNELS}.{self.figure_format}")
            if self.patches is not None:
                pictures = list(self._pictures(self.patches, network.input_size))
                found = top_patches(network, pictures, layer.name, filters or list(range(min(8, layer.channels))))
                save_view(
                    top_patches_sheet(network, layer.name, found, pictures=len(pictures)),
                    folder / f"{PATCHES}.{self.figure_format}",
                )
        say(f"What the layer makes of it: {self.output}")

    def _pictures(self, source: str, size: tuple[int, int]) -> Iterator[tuple[str, np.ndarray]]:
        folder = user_path(source)
        files = sorted(file for file in folder.glob("*") if file.suffix.lower() in _PICTURES) if folder.is_dir() else []
        if files:
            if self.episode or (self.camera is not None and not names_policy(self.network)):
                raise SelectionError(
                    f"{source} is a folder of pictures: it has neither episodes nor cameras. Leave out --episode and --camera."
                )
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
