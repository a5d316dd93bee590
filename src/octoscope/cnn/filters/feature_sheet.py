"""Feature maps and kernels of a layer as grids."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Num

from octoscope.array_typing import Float
from octoscope.cnn.filters.filter_picture import as_shown
from octoscope.cnn.filters.filter_results import layer_title
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Network, check_filters, find_layer, note_lines
from octoscope.cnn.networks.watched_forward import as_image
from octoscope.errors import SelectionError
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import short_number
from octoscope.render.scale_strip import ScaleStrip
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn

_MAPS_NOTE = (
    "Each tile is one filter's map, first row at the top, in the layer's own units. {colors} "
    "Beside or below each: its largest value, or what is said there."
)
_SIGNED_COLORS = "Pale is 0, red above it, blue below it; both colours to the same size."
_UNSIGNED_COLORS = "Black is 0, as behind a ReLU; brighter is more."
_KERNEL_NOTE = (
    "Each tile is one kernel. Colour kernels of the first layer: middle grey is 0, the tile's largest magnitude is full colour. Kernels "
    "over feature maps: one row per filter, its input channels by size of their kernel; grey is 0, white positive, black negative, one "
    "scale a row."
)


def strongest_filters(activation: Float[np.ndarray, "row column channel"], count: int | None = None) -> list[int]:
    """Returns the filters by their largest value on a picture, highest first.

    >>> strongest_filters(np.array([[[1.0, 5.0, 3.0]]]), 2)
    [1, 2]
    """
    return np.argsort(-activation.max(axis=(0, 1)), kind="stable")[:count].tolist()


def feature_maps_sheet(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    filters: Sequence[int] | None = None,
    *,
    most: int | None = 64,
    shared_scale: bool = True,
    notes: Mapping[int, str] | None = None,
    order: str = "as chosen",
    activation: Float[np.ndarray, "row column channel"] | None = None,
) -> Sheet:
    """Returns a grid of feature maps.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      filters: Which, in this order; the strongest on this picture first by default.
      most: How many of the strongest, where `filters` is not given; None for all.
      shared_scale: One scale for all maps; False stretches each by itself, so that weak ones show, and says so.
      notes: What stands below a filter's map instead of its largest value, such as its effect on the action.
      order: What `filters` go by, for the line under the title.
      activation: Of the layer on this picture, where it is known already.

    Raises:
      SelectionError: If layer or filter does not exist.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> [tile.label for tile in feature_maps_sheet(load_embedded_network(), np.full((64, 64, 3), 99), "relu2", [0, 1]).tiles()]
    ['picture', 'filter 0', 'filter 1']
    """
    place = find_layer(network, layer)
    if activation is None:
        activation = np.asarray(network.activation(as_image(picture), place.name)[0])
    order = "strongest first" if filters is None else order
    chosen = strongest_filters(activation, most) if filters is None else list(filters)
    check_filters(place, chosen)
    maps = [activation[..., number] for number in chosen]
    signed = any(float(values.min()) < 0.0 for values in maps)
    # With a sequential map 0, which is most of a signed map, would have some colour in the middle of it.
    scale_of = ColorScale.around_zero if signed else ColorScale.spanning
    whole = scale_of(maps)
    tiles = [Tile("picture", as_shown(np.asarray(picture, np.float32)))]
    for number, values in zip(chosen, maps, strict=True):
        scale = whole if shared_scale else scale_of([values])
        note = (notes or {}).get(number, f"max {short_number(float(values.max()))}")
        tiles.append(Tile(f"filter {number}", scale.colors(values), note=note, cells=True))
    silent = int((activation.max(axis=(0, 1)) <= 0).sum())
    span = (
        f"{whole.vmin:.3g} to {whole.vmax:.3g}, one scale"
        if shared_scale
        else f"each map on its own, {'as far below 0 as above' if signed else 'from 0'}"
    )
    lines = [
        f"{len(chosen)} of {place.channels} filters, {order}; {activation.shape[0]} x {activation.shape[1]} units. Scale: {span}.",
        f"{silent} of {place.channels} filters are nowhere above 0 on this picture.",
    ]
    lines += note_lines(network)
    title = f"Feature maps: {network.name}, {layer_title(place)}"
    return Sheet(
        rows=[SheetRow("", tiles)],
        title=title,
        subtitle=lines,
        tile_size=112,
        footnote=_MAPS_NOTE.format(colors=_SIGNED_COLORS if signed else _UNSIGNED_COLORS),
        strip=ScaleStrip(whole, "activation, one scale for all maps") if shared_scale else None,
    )


def kernels_sheet(network: GraphNetwork, layer: str, filters: Sequence[int] | None = None, *, most: int = 16) -> Sheet:
    """Returns the kernels of a convolution: colour tiles where it reads the picture, else rows of its largest input channels.

    Args:
      network: A network of named steps.
      layer: A convolution, by name or alias.
      filters: Which; by default all of a convolution over colours, else the first 8.
      most: Input channels shown of each filter.

    Raises:
      SelectionError: If the layer or filter does not exist, or the layer has no kernel.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> kernels_sheet(load_embedded_network(), "conv1", [4]).tiles()[0].label
    'filter 4'
    """
    place = find_layer(network, layer)
    if "kernel" not in network.weights.get(place.name, {}):
        names = ", ".join(each.name for each in network.layers if "kernel" in network.weights.get(each.name, {}))
        raise SelectionError(
            f"The layer {place.name} is a {place.kind} and has no kernels. Layers with kernels: {names}."
        )
    kernel = np.asarray(network.weights[place.name]["kernel"])
    if filters is not None:
        check_filters(place, list(filters))
    if kernel.shape[2] == 3:
        chosen = range(place.channels) if filters is None else filters
        tiles = [_signed_tile(f"filter {number}", kernel[..., number]) for number in chosen]
        rows, what = [SheetRow("", tiles)], "colour kernels"
    else:
        chosen = range(min(8, place.channels)) if filters is None else filters
        rows = [_kernel_row(kernel[..., number], number, most) for number in chosen]
        what = f"the {min(most, kernel.shape[2])} largest of {kernel.shape[2]} input channels a row"
    shape = " x ".join(map(str, kernel.shape[:2]))
    lines = [f"{len(chosen)} of {place.channels} filters; {shape}; {what}."]
    lines += note_lines(network)
    title = f"Kernels: {network.name}, {layer_title(place)}"
    return Sheet(title, rows, subtitle=lines, tile_size=64, footnote=_KERNEL_NOTE)


render_feature_maps = drawn(feature_maps_sheet)
render_kernels = drawn(kernels_sheet)


def _kernel_row(kernel: Float[np.ndarray, "row column channel"], number: int, most: int) -> SheetRow:
    order = np.argsort(-np.abs(kernel).sum(axis=(0, 1)), kind="stable")[:most].tolist()
    top = float(np.abs(kernel).max())
    tiles = [_signed_tile(f"in {place}", np.repeat(kernel[..., place : place + 1], 3, axis=-1), top) for place in order]
    return SheetRow(f"filter {number}, +-{top:.2g}", tiles)


def _signed_tile(label: str, values: Float[np.ndarray, "row column 3"], top: float | None = None) -> Tile:
    note = "" if top is not None else f"+-{np.abs(values).max():.2g}"
    top = top or float(np.abs(values).max()) or 1.0
    return Tile(label, np.floor(128 + 127 * values / top).clip(0, 255).astype(np.uint8), note=note, cells=True)
