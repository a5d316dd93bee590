"""Patches that a filter answers to most: the strongest unit of each picture, cut out as far as the unit can see."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.filters.filter_results import layer_title
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.network import check_filters, find_layer, note_lines
from octoscope.cnn.networks.watched_forward import as_image
from octoscope.cnn.saliency.saliency_target import strongest_unit
from octoscope.errors import EpisodeError
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_NOTE = (
    "For each filter its strongest unit in each picture (one patch a picture, so that near copies do not fill the row), strongest first. A "
    "patch is what the unit can see, cut off at the picture's edge; its middle counts most. Above each: where from; below: the unit's "
    "value, row and column. A filter is described by these pictures alone: others may drive it as far."
)


@dataclass(frozen=True, eq=False)
class TopPatch:
    """One unit that answered strongly, and what it saw."""

    filter: int
    value: float
    # Which picture, and the unit's row and column.
    source: str
    unit: tuple[int, int]
    # Top, left, bottom, right in pixels of the picture.
    box: tuple[int, int, int, int]
    patch: UInt8[np.ndarray, "height width 3"]


def top_patches(
    network: GraphNetwork,
    pictures: Iterable[tuple[str, UInt8[np.ndarray, "height width 3"]]],
    layer: str,
    filters: Sequence[int],
    *,
    count: int = 8,
) -> dict[int, list[TopPatch]]:
    """Returns, for each filter, the patches of the `count` pictures that it answers to most, strongest first.

    Pictures are taken one at a time, so memory does not grow with their number.

    Args:
      network: A network of named steps.
      pictures: Name and picture, all of one size: a folder's, or the frames of an episode.
      layer: Name or alias.
      filters: Channels, from 0.
      count: Patches a filter.

    Raises:
      SelectionError: If layer or filter does not exist.
      EpisodeError: If there is no picture.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> pictures = [("dark", np.zeros((64, 64, 3), np.uint8)), ("bright", np.full((64, 64, 3), 255, np.uint8))]
    >>> result = top_patches(load_embedded_network(), pictures, "conv1", [0], count=1)
    >>> len(result[0]), max(result[0][0].patch.shape)
    (1, 7)
    """
    place = find_layer(network, layer)
    check_filters(place, list(filters))
    heaps: dict[int, list[tuple[float, int, TopPatch]]] = {number: [] for number in filters}
    seen = 0
    for name, picture in pictures:
        seen += 1
        activation = np.asarray(network.activation(as_image(picture), place.name)[0])
        field = layer_field(network, place.name, (picture.shape[0], picture.shape[1]))
        for number in filters:
            unit = strongest_unit(activation[..., number])
            box = field.box(unit, (picture.shape[0], picture.shape[1]))
            value = float(activation[*unit, number])
            patch = TopPatch(number, value, name, unit, box, picture[box[0] : box[2], box[1] : box[3]].copy())
            heapq.heappush(heaps[number], (value, -seen, patch))
            if len(heaps[number]) > count:
                heapq.heappop(heaps[number])
    if not seen:
        raise EpisodeError(
            "There is no picture to take patches from. Give a folder with PNG or JPEG files, or an episode."
        )
    return {
        number: [patch for *_, patch in sorted(heap, reverse=True, key=lambda entry: entry[:2])]
        for number, heap in heaps.items()
    }


def render_top_patches(
    network: GraphNetwork,
    layer: str,
    patches_by_filter: dict[int, list[TopPatch]],
    *,
    pictures: int,
    tile_size: int = 128,
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a sheet with one row per filter."""
    rows = [
        PictureRow(
            f"filter {number}",
            [
                PictureTile(patch.source, _squared(patch.patch), f"{patch.value:.3g} at {patch.unit}")
                for patch in patches
            ],
        )
        for number, patches in patches_by_filter.items()
    ]
    lines = [f"Over {pictures} pictures. Values are in the layer's own units."]
    lines += note_lines(network)
    title = f"Patches that answer most: {network.name}, {layer_title(find_layer(network, layer))}"
    return render_picture_sheet(rows, title=title, subtitle=lines, tile_size=tile_size, footnote=_NOTE)


def _squared(patch: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
    # A patch cut off at the edge keeps its scale: paper stands for what lies outside.
    side = max(patch.shape[:2])
    whole = np.full((side, side, 3), 255, np.uint8)
    whole[: patch.shape[0], : patch.shape[1]] = patch
    return whole
