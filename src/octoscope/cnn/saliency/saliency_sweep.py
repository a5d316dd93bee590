"""Films of saliency: one filter through all layers of a network, or all filters of one layer."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.networks.network import Layer, Network
from octoscope.cnn.saliency.saliency import filter_saliency
from octoscope.cnn.saliency.saliency_sheet import render_saliency_sheet
from octoscope.cnn.saliency.saliency_target import ObjectiveKind
from octoscope.errors import SelectionError

_FRAME_TILE = 160
# Filters whose saliency is held at once: 64 maps of 224 x 224 take 39 MB.
_BLOCK = 64
_FRAME_NOTE = (
    "One frame a filter or layer, named in the title. color: middle grey is 0. gray: magnitudes summed over colours. positive and "
    "negative: what raises and lowers the score. Every tile of every frame has a scale of its own. Before the first ReLU a map's "
    "mean has one gradient for every picture."
)


def layers_with_filter(network: Network, filter_number: int) -> list[Layer]:
    """Returns the layers that have a map of more than one unit and this filter, in forward order.

    Raises:
      SelectionError: If there is none.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> [layer.name for layer in layers_with_filter(load_embedded_network(), 60)]
    ['conv5', 'relu5', 'conv6', 'relu6']
    """
    layers = [layer for layer in network.layers if layer.channels > filter_number >= 0 and min(layer.size) > 1]
    if not layers:
        most = max(layer.channels for layer in network.layers)
        raise SelectionError(f"`filter` must be in 0..{most - 1} for {network.name}, got {filter_number}.")
    return layers


def sweep_frames(
    network: Network,
    picture: UInt8[np.ndarray, "height width 3"],
    places: Sequence[tuple[str, Sequence[int]]],
    *,
    method: str = "guided",
    objective: ObjectiveKind = "mean",
    percentile: float = 100.0,
    progress: Callable[[int], None] = lambda count: None,
) -> Iterator[UInt8[np.ndarray, "drawn_height drawn_width 3"]]:
    """Gives one frame per layer and filter, all of one size.

    Args:
      network: Any network.
      picture: RGB, 0..255, at the size the network takes.
      places: Layers with the filters to show of each.
      method: One of the saliency methods.
      objective: Which number of a filter is explained.
      percentile: Where the scales end; 100 cuts nothing off.
      progress: Told how many frames were added.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> frames = sweep_frames(load_embedded_network(), np.full((32, 32, 3), 99, np.uint8), [("relu1", [0, 1])])
    >>> len({frame.shape for frame in frames})
    1
    """
    for layer, filters in places:
        for start in range(0, len(filters), _BLOCK):
            block = filters[start : start + _BLOCK]
            for result in filter_saliency(network, picture, layer, block, method=method, objective=objective):
                yield render_saliency_sheet(
                    picture,
                    [result],
                    percentile=percentile,
                    tile_size=_FRAME_TILE,
                    note=network.note,
                    footnote=_FRAME_NOTE,
                )
            progress(len(block))
