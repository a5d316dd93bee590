"""`octoscope cnn filters`: what filters look for, by optimising pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tqdm import tqdm
from tyro.conf import Positional, arg

from octoscope.cli.cnn_picture import open_picture
from octoscope.cli.selection import parse_selection
from octoscope.cnn.filter_results import RESULTS, SHEET, LayerFilters, write_filter_results
from octoscope.cnn.graph import GraphNetwork
from octoscope.cnn.maximization import maximize_filters
from octoscope.cnn.maximization_settings import PRESETS, MaximizationSettings
from octoscope.cnn.network import Layer, find_layer
from octoscope.cnn.objectives import MIDDLE, Objective, mean_of, neuron_of, sum_of
from octoscope.cnn.sources import open_network
from octoscope.errors import Interrupted, SelectionError
from octoscope.escaping.terminal import say
from octoscope.runs.staged_output import staged_output

_VIEWS = ("pad", "jitter", "rotate", "scale")


@dataclass(frozen=True)
class Knobs:
    """What to change in the preset."""

    steps: int | None = None
    learning_rate: float | None = None
    optimizer: Literal["adam", "sgd"] | None = None
    weight_decay: float | None = None
    # How pictures are written down while they are optimised.
    space: Literal["pixel", "fourier"] | None = None
    # Of the noise that pictures start from, and of the changes of view.
    seed: int | None = None
    # Blur the picture after every so many steps.
    blur_every: int | None = None
    # Pixels.
    blur_sigma: float | None = None
    # Shorten each picture's gradient to this norm.
    clip_gradient: float | None = None
    # Bring each picture's gradient to a root mean square of 1.
    normalize_gradient: bool | None = None
    # Weights of the penalties on the picture.
    total_variation: float | None = None
    l2: float | None = None
    # Changes of view before each step: pixels, pixels, degrees, share.
    pad: int | None = None
    jitter: int | None = None
    rotate: float | None = None
    scale: float | None = None
    octaves: int | None = None
    octave_scale: float | None = None
    # Filters optimised at once.
    chunk: int | None = None

    def applied(self, preset: MaximizationSettings) -> MaximizationSettings:
        """Returns the preset with what was given changed."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) is not None}
        views = {name: given.pop(name) for name in _VIEWS if name in given}
        return replace(preset, views=replace(preset.views, **views), **given)


@dataclass(frozen=True)
class CnnFilters:
    """Make pictures that filters of a layer answer strongly to: every filter asked for, on one labelled sheet.

    Writes filters.png, filters/, filters.json and, with --gif, filters.gif. Ctrl-C keeps what is there. Example:

    octoscope cnn filters vgg16 --layer 2 --filter 1 21 54 -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A layer, by name or index; `octoscope cnn layers NETWORK` lists them.
    layer: str | None = None
    # Filters: '1 21 54', '0:16', 'all'.
    filter: tuple[str, ...] = ("0:16",)
    # Several layers at once: 2:1,21,54 10:7,10,69 17:4,8,9 24:4,17,22.
    select: tuple[str, ...] = ()
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # 'clear' to see what a filter wants; 'classic' to repeat published pictures; 'dream' to begin with --image.
    preset: Literal["clear", "classic", "dream"] = "clear"
    # The mean of a filter's map, its middle unit, or the sum of all filters of a layer in one picture.
    objective: Literal["mean", "neuron", "sum"] = "mean"
    # A picture to start from instead of noise.
    image: Path | None = None
    # Height and width of the pictures; the network's own by default.
    size: int | None = None
    knobs: Knobs = field(default_factory=Knobs)
    # Also write a film of how the pictures grew.
    gif: bool = False
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Checks all that was asked for, then optimises, draws, and says where everything is."""
        settings = self.knobs.applied(PRESETS[self.preset])
        if self.gif:
            settings = replace(settings, snapshot_every=max(1, settings.steps * settings.octaves // 12))
        settings.check()
        if self.preset == "dream" and self.image is None:
            raise SelectionError("The preset 'dream' begins with a picture: give --image FILE.")
        if self.size is not None and not 16 <= self.size <= 4096:
            raise SelectionError(f"`--size` must be in 16..4096 pixels, got {self.size}.")
        network = open_network(self.network, camera=self.camera)
        asked = [(layer, self._objectives(layer, numbers)) for layer, numbers in self._chosen(network)]
        size = network.input_size if self.size is None else (self.size, self.size)
        start = None if self.image is None else open_picture(str(self.image), size).astype(np.float32)
        total = sum(len(objectives) for _, objectives in asked)
        with (
            staged_output(self.output, RESULTS, overwrite=self.overwrite) as folder,
            tqdm(total=total * settings.steps * settings.octaves, unit="step", desc="filters") as bar,
        ):
            found, stopped = [], False
            for layer, objectives in asked:
                pictures = maximize_filters(
                    network,
                    layer.name,
                    objectives=objectives,
                    settings=settings,
                    size=size,
                    start=start,
                    progress=lambda count: _advance(bar, count),
                )
                found.append(LayerFilters(layer, pictures))
                stopped = len(pictures) < len(objectives) or pictures[-1].steps < settings.steps * settings.octaves
                if stopped:
                    break
            write_filter_results(folder, network, found, settings=settings, preset=self.preset)
        self._say(found)
        if stopped:
            raise Interrupted(f"interrupted; the pictures so far are in {self.output / SHEET}.")

    def _chosen(self, network: GraphNetwork) -> list[tuple[Layer, list[int]]]:
        if (self.layer is None) == (not self.select):
            raise SelectionError(
                "Give either --layer with --filter, or --select LAYER:FILTERS. "
                f"Layers of {network.name}: {', '.join(layer.name for layer in network.layers)}."
            )
        if self.layer is not None:
            return [_parsed(network, self.layer, ",".join(self.filter))]
        pairs = [text.partition(":") for text in self.select]
        if any(not filters for _, _, filters in pairs):
            raise SelectionError(f"--select takes LAYER:FILTERS, as in 10:7,10,69, got '{' '.join(self.select)}'.")
        return [_parsed(network, layer, filters) for layer, _, filters in pairs]

    def _objectives(self, layer: Layer, numbers: Sequence[int]) -> list[Objective]:
        if self.objective == "sum":
            return [sum_of(numbers)]
        return [mean_of(number) if self.objective == "mean" else neuron_of(number, MIDDLE) for number in numbers]

    def _say(self, found: Sequence[LayerFilters]) -> None:
        for one in found:
            dead = [str(picture.objective.channels[0]) for picture in one.pictures if picture.dead]
            if dead:
                say(f"{one.layer.name}: dead, no picture found that switches them on: {', '.join(dead)}.")
        say(f"What the filters look for: {self.output / SHEET}")


def _parsed(network: GraphNetwork, layer: str, filters: str) -> tuple[Layer, list[int]]:
    found = find_layer(network, layer)
    return found, parse_selection(filters, count=found.channels, what="filter")


def _advance(bar: tqdm, count: int) -> None:
    bar.update(count)
