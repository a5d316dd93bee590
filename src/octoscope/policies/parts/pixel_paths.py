"""Gradients of pixels summed along a straight line between two pictures, of policies whose pictures are normalised by a line too."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from octoscope.array_typing import Float, Float32

# Of NumPy or of jax.
Images = Mapping[str, Any]


def slopes_along(
    slopes_at: Callable[[Images], Mapping[str, Any]],
    start: Images,
    end: Images,
    parts: Float[np.ndarray, " point"] | None,
) -> dict[str, Float32[np.ndarray, "..."]]:
    """Returns the sum of gradients over points of the line, 0 at its start and 1 at its end; at the end alone without points.

    Args:
      slopes_at: Gives the gradients with respect to pictures, by the names of those.
      start: Pictures by name.
      end: Of the same shapes.
      parts: The points.

    >>> end = {"top": np.full((1, 2), 4.0, np.float32)}
    >>> slopes_along(lambda images: images, {"top": np.zeros((1, 2), np.float32)}, end, np.array([0.5, 1.0]))["top"].tolist()
    [[6.0, 6.0]]
    """
    total: dict[str, np.ndarray] = {}
    for part in np.ones(1) if parts is None else parts:
        images = {name: np.asarray(start[name] + part * (end[name] - start[name]), np.float32) for name in end}
        slopes = slopes_at(images)
        total = {name: np.asarray(slope) + total.get(name, 0.0) for name, slope in slopes.items()}
    return {name: np.asarray(slope, np.float32) for name, slope in total.items()}
