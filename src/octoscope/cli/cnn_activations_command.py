"""`octoscope cnn activations`: what filters of a layer see in a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tqdm import tqdm
from tyro.conf import Positional, arg

from octoscope.array_typing import UInt8
from octoscope.cli.cnn_picture import open_picture
from octoscope.cli.selection import parse_selection
from octoscope.cnn.graph import GraphNetwork
from octoscope.cnn.network import Network, find_layer
from octoscope.cnn.saliency import check_method, filter_saliency
from octoscope.cnn.saliency_sheet import render_saliency_sheet
from octoscope.cnn.saliency_sweep import layers_with_filter, sweep_frames
from octoscope.cnn.sanity_check import sanity_check
from octoscope.cnn.soft_interrupt import soft_interrupt
from octoscope.cnn.sources import open_network
from octoscope.errors import Interrupted, SelectionError
from octoscope.escaping.terminal import say
from octoscope.render.film import write_gif
from octoscope.render.image_file import write_png
from octoscope.runs.staged_output import staged_output

SHEET, FILM = "activations.png", "activations.gif"


@dataclass(frozen=True)
class CnnActivations:
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
    filter: tuple[str, ...] = ()
    # guided, gradient, deconvnet, smoothgrad or integrated.
    method: str = "guided"
    # What of a filter is explained: the mean of its map, its strongest unit on this picture, or the one at --unit.
    objective: Literal["mean", "strongest", "unit"] = "mean"
    # Row and column in the feature map.
    unit: tuple[int, int] | None = None
    # A film: one filter over all layers, or all chosen filters of one layer.
    sweep: Literal["none", "layers", "filters"] = "none"
    # Stages of the weight-randomisation check, drawn below; 0 for none.
    sanity: int = 4
    # Of the random weights.
    seed: int = 0
    # Where the scales end; below 100 the strongest values are cut off, and the sheet says so.
    percentile: float = 100.0
    # Frames of the film per second.
    fps: float = 4.0
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Checks what was asked for, computes, draws, and says where it is."""
        check_method(self.method)
        if self.sanity < 0 or not 50 <= self.percentile <= 100:
            raise SelectionError(
                f"`--sanity` must be 0 or more and `--percentile` in 50..100, got {self.sanity}, {self.percentile}."
            )
        if self.layer is None and self.sweep != "layers":
            raise SelectionError(
                "Give --layer; `octoscope cnn layers NETWORK` lists them. Only --sweep layers needs none."
            )
        network = open_network(self.network, camera=self.camera)
        picture = open_picture(self.image, network.input_size)
        if self.sweep != "none":
            return self._film(network, picture)
        layer = find_layer(network, str(self.layer)).name
        filters = self._filters(network)
        found = filter_saliency(
            network, picture, layer, filters, method=self.method, objective=self.objective, unit=self.unit
        )

        def explain(drawn: Network) -> np.ndarray:
            one = filter_saliency(
                drawn, picture, layer, filters[:1], method=self.method, objective=self.objective, unit=self.unit
            )
            return one[0].values

        stages = sanity_check(network, layer, explain, stages=self.sanity, seed=self.seed)[1] if self.sanity else ()
        with staged_output(self.output, [SHEET, FILM], overwrite=self.overwrite) as folder:
            sheet = render_saliency_sheet(picture, found, sanity=stages, percentile=self.percentile, note=network.note)
            write_png(folder / SHEET, sheet)
        say(f"What the filters see: {self.output / SHEET}")

    def _filters(self, network: GraphNetwork) -> list[int]:
        chosen = ",".join(self.filter) or ("all" if self.sweep == "filters" else "0")
        return parse_selection(chosen, count=find_layer(network, str(self.layer)).channels, what="filter")

    def _film(self, network: GraphNetwork, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        if self.objective == "unit":
            raise SelectionError("A sweep has no single unit: take --objective mean or strongest.")
        if self.sweep == "filters":
            places = [(str(self.layer), self._filters(network))]
        else:
            most = max(layer.channels for layer in network.layers)
            (number, *more) = parse_selection(",".join(self.filter) or "0", count=most, what="filter")
            if more:
                raise SelectionError(f"--sweep layers follows one filter, got '{' '.join(self.filter)}'.")
            places = [(layer.name, [number]) for layer in layers_with_filter(network, number)]
        total, frames = sum(len(filters) for _, filters in places), []
        with (
            staged_output(self.output, [SHEET, FILM], overwrite=self.overwrite) as folder,
            tqdm(total=total, unit="frame", desc=self.method) as bar,
            soft_interrupt() as interrupt,
        ):
            made = sweep_frames(
                network, picture, places, method=self.method, objective=self.objective, percentile=self.percentile
            )
            for frame in made:
                frames.append(frame)
                bar.update()
                if interrupt.requested:
                    break
            write_gif(folder / FILM, frames, fps=self.fps)
        say(f"What the filters see, frame by frame: {self.output / FILM}")
        if len(frames) < total:
            raise Interrupted(f"interrupted; {len(frames)} of {total} frames are in {self.output / FILM}.")
