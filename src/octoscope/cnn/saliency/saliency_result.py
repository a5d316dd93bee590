"""What a saliency method gives for one filter of one layer and one picture."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.networks.network import Layer
from octoscope.cnn.networks.objectives import Objective


@dataclass(frozen=True, eq=False)
class Saliency:
    """How the pixels of one picture bear on one filter, by one method."""

    # As in the field: "guided backprop".
    method: str
    # Name of the network.
    network: str
    layer: Layer
    objective: Objective
    # One value per pixel and colour, in `unit`.
    values: Float[np.ndarray, "height width 3"]
    # What one unit of `values` is.
    unit: str
    # The objective on this picture.
    score: float
    # Passes through the network; forwards are shared by all filters asked for at once.
    forwards: int
    backwards: int
    # What must be said about it; "" for nothing.
    note: str = ""
    # Integrated gradients only: how far the sum of the values is from what it should be, as a share of that.
    gap: float | None = None


PER_LEVEL = "per level of 0..255"
