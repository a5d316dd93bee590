"""What filters look for, on paper: the sheet, each picture by itself, the film of how they grew, and the figures behind them."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.filters.filter_picture import FilterPicture
from octoscope.cnn.filters.maximization_settings import MaximizationSettings
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Layer, note_lines
from octoscope.render.film import write_gif
from octoscope.render.image_file import write_png
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

SHEET, PICTURES, FILM, _FIGURES = "filters.png", "filters", "filters.gif", "filters.json"
RESULTS = (SHEET, PICTURES, FILM, _FIGURES)
_FILM_RATE, _FILM_TILE = 6, 112
_FOOTNOTE = (
    "Each picture was optimised to raise one filter's mean over its map (or what its label says). It shows what drives the filter most, "
    "not what it usually answers to, and other pictures may drive it as far. Beside each label: the objective on the picture it began from "
    "and on the one that was optimised; in brackets, where it is another, on what is shown of that, cut off at 0 and 255. Brightness "
    "cannot be compared."
)


@dataclass(frozen=True)
class LayerFilters:
    """The pictures made for one layer."""

    layer: Layer
    pictures: Sequence[FilterPicture]


def layer_title(layer: Layer) -> str:
    """Returns what labels call a layer: its name, and its index where it has one.

    >>> layer_title(Layer("conv5_1", "conv", 512, (14, 14), ("24", "features.24")))
    'conv5_1 (24)'
    """
    return f"{layer.name} ({layer.aliases[0]})" if layer.aliases else layer.name


def render_filter_sheet(
    network: GraphNetwork,
    results: Sequence[LayerFilters],
    *,
    settings: MaximizationSettings,
    preset: str = "",
    snapshot: int | None = None,
    tile_size: int | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the sheet: one row per layer, one tile per objective.

    Above a tile stands its objective; "dead" marks a filter that nothing could switch on. The score is in the units of the layer.

    Args:
      network: The network that was looked into.
      results: The pictures by layer; at least one.
      settings: What they were made with.
      preset: Name of the preset, for the subtitle.
      snapshot: Draw this snapshot of each picture instead of the last state.
      tile_size: Pixels of a tile's longer side; 224, or 128 to 144 for many tiles, by default.
    """
    tiles = sum(len(result.pictures) for result in results)
    # Two scores do not fit above the smallest tiles.
    small = 144 if any(_cut_counts(picture) for result in results for picture in result.pictures) else 128
    size = tile_size or (224 if tiles <= 24 else small)
    rows = [
        PictureRow(
            f"{layer_title(result.layer)}, of {result.layer.channels} filters",
            [_tile(network, result.layer, picture, snapshot) for picture in result.pictures],
        )
        for result in results
    ]
    layers = ", ".join(layer_title(result.layer) for result in results)
    asked = settings.steps * settings.octaves
    steps = sorted({picture.steps for result in results for picture in result.pictures})
    stopped = f" INTERRUPTED after {steps[0]} of {asked} steps for some." if steps and steps[0] < asked else ""
    dead = sum(picture.dead for result in results for picture in result.pictures)
    cut_off = float(np.mean([picture.cut_off for result in results for picture in result.pictures]))
    subtitle = [_how(settings, preset) + stopped]
    if dead:
        subtitle.append(
            f"{dead} of {tiles} dead: no gradient reached the picture, or no unit could be brought above its ReLU."
        )
    fallen = [
        picture
        for result in results
        for picture in result.pictures
        if not picture.dead and picture.shown_score <= picture.start_score
    ]
    if fallen:
        names = "; ".join(picture.objective.title for picture in fallen[:8])
        subtitle.append(
            f"{len(fallen)} of {tiles} are shown no higher than what they began from ({names}): these pictures show nothing of the filter."
        )
    if cut_off >= 0.001:
        subtitle.append(
            f"{cut_off:.1%} of values lie outside 0..255 and are cut off for showing, which changes scores."
        )
    linear = [layer_title(result.layer) for result in results if _is_linear(network, result.layer)]
    if linear:
        subtitle.append(
            f"{', '.join(linear)} is linear in the picture: its mean over the map shows colour and frame only. The ReLU behind it "
            "(mean), or one unit of it (neuron), shows the pattern."
        )
    subtitle += note_lines(network)
    return render_picture_sheet(
        rows,
        title=f"What filters look for: {network.name}, {layers}",
        subtitle=subtitle,
        tile_size=size,
        footnote=_FOOTNOTE,
    )


def _is_linear(network: GraphNetwork, layer: Layer) -> bool:
    """Returns whether nothing but affine steps lie between the picture and the layer."""
    return all(node.step.affine for node in network.program.up_to(layer.name).nodes)


def write_filter_results(
    folder: Path,
    network: GraphNetwork,
    results: Sequence[LayerFilters],
    *,
    settings: MaximizationSettings,
    preset: str = "",
) -> None:
    """Writes filters.png, filters/LAYER_filter_F.png, filters.json, and filters.gif where snapshots were kept."""
    write_png(folder / SHEET, render_filter_sheet(network, results, settings=settings, preset=preset))
    (folder / PICTURES).mkdir()
    for result in results:
        for number, picture in enumerate(result.pictures):
            write_png(folder / PICTURES / f"{_file_name(result.layer, picture, number)}.png", picture.shown)
    (folder / _FIGURES).write_text(json.dumps(_figures(network, results, settings, preset), indent=2) + "\n")
    frames = min((len(picture.snapshots) for result in results for picture in result.pictures), default=0)
    if frames:
        film = (
            render_filter_sheet(
                network, results, settings=settings, preset=preset, snapshot=frame, tile_size=_FILM_TILE
            )
            for frame in range(frames)
        )
        # A GIF has 256 colours; of all that photographs have, finding the best ones takes minutes.
        write_gif(folder / FILM, [frame & np.uint8(0xF0) | np.uint8(0x0F) for frame in film], fps=_FILM_RATE)


def _tile(network: GraphNetwork, layer: Layer, picture: FilterPicture, snapshot: int | None) -> PictureTile:
    image = picture.shown if snapshot is None else picture.snapshots[snapshot]
    label = picture.objective.title
    if layer.name in ("logits", "kinds") and network.class_names and len(picture.objective.channels) == 1:
        label = f"{picture.objective.channels[0]}: {network.class_names[picture.objective.channels[0]]}"
    score = f"{picture.start_score:.3g} to {picture.score:.3g}"
    score += f" ({picture.shown_score:.3g})" if _cut_counts(picture) else ""
    return PictureTile(label, image, note=f"dead ({score})" if picture.dead else score)


def _cut_counts(picture: FilterPicture) -> bool:
    """Returns whether the picture that is shown has another score, at the digits that are printed."""
    return f"{picture.shown_score:.3g}" != f"{picture.score:.3g}"


def _how(settings: MaximizationSettings, preset: str) -> str:
    parts = [
        f"{preset} preset" if preset else "",
        f"{settings.steps} steps of {settings.optimizer} {settings.learning_rate:g}",
    ]
    parts += [f"{settings.octaves} octaves"] if settings.octaves > 1 else []
    parts += ["Fourier space" if settings.space == "fourier" else "pixels", f"seed {settings.seed}"]
    return ", ".join(part for part in parts if part) + "."


def _file_name(layer: Layer, picture: FilterPicture, number: int) -> str:
    place = layer.name.replace("/", "-")
    channels = picture.objective.channels
    what = "-".join(map(str, channels)) if len(channels) <= 4 else f"direction-{number}"
    return f"{place}_filter_{what}"


def _figures(
    network: GraphNetwork, results: Sequence[LayerFilters], settings: MaximizationSettings, preset: str
) -> dict[str, object]:
    return {
        "network": network.name,
        "note": network.note,
        "preset": preset,
        "settings": dataclasses.asdict(settings),
        "pictures": [
            {
                "layer": result.layer.name,
                "objective": dataclasses.asdict(picture.objective),
                "start_score": picture.start_score,
                "score": picture.score,
                "shown_score": picture.shown_score,
                "largest": picture.largest,
                "dead": picture.dead,
                "steps": picture.steps,
                "cut_off": picture.cut_off,
            }
            for result in results
            for picture in result.pictures
        ],
    }
