"""The receptive field of one unit, drawn on the picture: what it can see, and what of that it minds."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.cnn.filters.filter_results import layer_title
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.network import check_filters, find_layer, note_lines
from octoscope.cnn.networks.objectives import neuron_of, weight_maps
from octoscope.cnn.networks.watched_forward import watch
from octoscope.cnn.saliency.saliency_target import strongest_unit
from octoscope.cnn.saliency.sanity_check import magnitude
from octoscope.errors import SelectionError
from octoscope.render.color_scale import ColorScale
from octoscope.render.overlay import render_overlay
from octoscope.render.palette import MARK
from octoscope.render.photo import resize_photo
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile

_TILE = 320
_NOTE = (
    "Blue frame: all pixels that can reach the unit, from kernels, strides and paddings alone. Right: magnitude of the unit's gradient by "
    "each pixel of this picture, summed over colours (magma, from 0 to the number beside it): what the unit minds here, usually much less "
    "than it can see (Luo et al., 2016, arXiv:1701.04128). Norms over the whole map let faint gradients in from outside the frame."
)


@dataclass(frozen=True, eq=False)
class UnitGradient:
    """One unit on one picture: its value, and what of the picture it minds."""

    layer: str
    filter: int
    unit: tuple[int, int]
    # Rows and columns of units.
    grid: tuple[int, int]
    value: float
    # Magnitude of the unit's gradient by each pixel, summed over colours.
    gradient: Float[np.ndarray, "height width"]


def unit_gradient(
    network: GraphNetwork,
    picture: UInt8[np.ndarray, "height width 3"],
    layer: str,
    filter_number: int = 0,
    unit: tuple[int, int] | None = None,
) -> UnitGradient:
    """Returns what a unit minds of a picture.

    Args:
      network: A network of named steps.
      picture: RGB, 0..255.
      layer: Name or alias.
      filter_number: Channel whose gradient is drawn.
      unit: Row and column in the feature map; the filter's strongest on this picture by default.

    Raises:
      SelectionError: If layer, filter or unit does not exist.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> unit_gradient(load_embedded_network(), np.full((64, 64, 3), 99, np.uint8), "conv2").gradient.shape
    (64, 64)
    """
    place = find_layer(network, layer)
    check_filters(place, [filter_number])
    forward = watch(network, picture, place.name)
    rows, columns, channels = forward.activation.shape
    unit = strongest_unit(forward.activation[..., filter_number]) if unit is None else unit
    if not (0 <= unit[0] < rows and 0 <= unit[1] < columns):
        raise SelectionError(f"`unit` must be in 0..{rows - 1} and 0..{columns - 1} at layer {place.name}, got {unit}.")
    gradient = magnitude(forward.pull_back(weight_maps([neuron_of(filter_number, unit)], (rows, columns, channels)))[0])
    value = float(forward.activation[unit[0], unit[1], filter_number])
    return UnitGradient(
        place.name, filter_number, (int(unit[0]), int(unit[1])), (rows, columns), value, np.asarray(gradient)
    )


def unit_field_sheet(network: GraphNetwork, picture: UInt8[np.ndarray, "height width 3"], seen: UnitGradient) -> Sheet:
    """Returns the picture with the unit's receptive field framed, and its gradient on this picture.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> network, picture = load_embedded_network(), np.full((64, 64, 3), 99, np.uint8)
    >>> [tile.label for tile in unit_field_sheet(network, picture, unit_gradient(network, picture, "conv2")).tiles()]
    ['can see', 'minds here']
    """
    place = find_layer(network, seen.layer)
    gradient, unit = seen.gradient, seen.unit
    size = (picture.shape[0], picture.shape[1])
    field = layer_field(network, place.name, size)
    box = field.box(unit, size)
    scale = ColorScale.spanning([gradient])
    heat = render_overlay(picture, gradient, scale=scale, size=_TILE, grid=False)
    tiles = [
        Tile("can see", _framed(resize_photo(picture, _TILE), box, size)),
        Tile("minds here", _framed(heat, box, size), note=f"0 to {float(gradient.max()):.2g}"),
    ]
    span = (
        "the whole picture"
        if field.whole
        else f"{field.rows.size} x {field.columns.size} pixels, one unit every {field.rows.stride}"
    )
    where = f"filter {seen.filter} at row {unit[0]}, column {unit[1]} of {seen.grid[0]} x {seen.grid[1]}"
    lines = [f"{where}: value {seen.value:.3g}. Receptive field: {span}."]
    lines += note_lines(network)
    title = f"Receptive field: {network.name}, {layer_title(place)}"
    return Sheet(title, [SheetRow("", tiles)], subtitle=lines, tile_size=_TILE, footnote=_NOTE)


def _framed(
    image: UInt8[np.ndarray, "height width 3"], box: tuple[int, int, int, int], size: tuple[int, int]
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    canvas = Image.fromarray(image)
    down, across = image.shape[0] / size[0], image.shape[1] / size[1]
    top, left, bottom, right = box[0] * down, box[1] * across, box[2] * down - 1, box[3] * across - 1
    ImageDraw.Draw(canvas).rectangle((left, top, right, bottom), outline=MARK, width=3)
    return np.asarray(canvas)
