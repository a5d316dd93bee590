"""Activation maximisation: pictures that excite filters, many at once, on any network here.

Only the picture is differentiated, and the network ends at the layer. Reference: Erhan et al., "Visualizing Higher-Layer Features of a
Deep Network", 2009.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.array_typing import Float32
from octoscope.capture.interrupt import StopAfterStep
from octoscope.cnn.filters.filter_picture import FilterPicture
from octoscope.cnn.filters.filter_work import FilterWork, Progress, second_chance
from octoscope.cnn.filters.maximization_settings import CLEAR, MaximizationSettings
from octoscope.cnn.networks.network import Network, find_layer
from octoscope.cnn.networks.objectives import Objective, check_objective, mean_of
from octoscope.errors import SelectionError


def maximize_filters(
    network: Network,
    layer: str,
    *,
    objectives: Sequence[Objective | int],
    settings: MaximizationSettings = CLEAR,
    size: tuple[int, int] | None = None,
    start: Float32[np.ndarray, "height width 3"] | None = None,
    progress: Progress | None = None,
) -> list[FilterPicture]:
    """Returns, for each objective, a picture that a layer answers strongly to.

    The same seed gives the same picture, whichever other filters are made beside it, up to rounding that depends on the chunk size.
    Ctrl-C ends the work after the step at hand and returns what is there: pictures begun with the steps they had, others not.

    Args:
      network: Any network here; a PyTorch module runs in PyTorch.
      layer: Name or alias of the layer.
      objectives: Filters by number (their mean over the map), or objectives.
      settings: See `MaximizationSettings`; `PRESETS` holds good ones.
      size: Height and width of the pictures; the network's own by default, or the start's.
      start: A picture of 0..255 to start from, for all objectives; noise by default.
      progress: Called after each step with the number of pictures that moved on.

    Raises:
      SelectionError: If layer, filter or a setting is out of range.

    >>> from dataclasses import replace
    >>> from octoscope.cnn.networks.sources import open_network
    >>> quick = replace(CLEAR, steps=1)
    >>> [picture.shown.shape for picture in maximize_filters(open_network("embedded"), "conv1", objectives=[3], settings=quick)]
    [(128, 128, 3)]
    """
    settings.check()
    place = find_layer(network, layer)
    wanted = [mean_of(objective) if isinstance(objective, int) else objective for objective in objectives]
    if not wanted:
        raise SelectionError("`objectives` must name at least one filter, got none.")
    for objective in wanted:
        check_objective(objective, place)
    if size is None:
        size = network.input_size if start is None else (start.shape[0], start.shape[1])
    work = FilterWork(network, place, settings, size, None if start is None else jnp.asarray(start, jnp.float32))
    # Chunks of nearly one size: what fills up the last one is work for nothing.
    chunk = settings.chunk or math.ceil(len(wanted) / math.ceil(len(wanted) / _chunk_size(work)))
    pictures: list[FilterPicture] = []
    with StopAfterStep() as interrupt:
        for first in range(0, len(wanted), chunk):
            part = wanted[first : first + chunk]
            # The last chunk is filled up, so that nothing is compiled a second time.
            filled = part + part[-1:] * (min(chunk, len(wanted)) - len(part))
            drawn = work.run(filled, lambda: interrupt.requested, progress, count=len(part))
            pictures += [second_chance(work, picture, lambda: interrupt.requested) for picture in drawn]
            if interrupt.requested:
                break
    return pictures


def _chunk_size(work: FilterWork) -> int:
    if jax.default_backend() != "cpu":
        return 32
    # On two cores with VGG16: early layers fill the cache with one or two pictures, late ones need eight to be busy.
    shrunk = math.prod(work.size) / max(1, math.prod(work.layer.size))
    pixels = 8 * 224**2 if shrunk >= 200 else 2 * 224**2
    return max(1, pixels // math.prod(work.size))
