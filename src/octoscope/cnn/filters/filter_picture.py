"""What came of maximising one objective: the picture, how far it drives the filter, and whether the filter is dead."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.cnn.networks.objectives import Objective


@dataclass(frozen=True, eq=False)
class FilterPicture:
    """What came of one objective."""

    objective: Objective
    # As optimised, 0..255 when nothing left the range; see `shown`.
    levels: Float32[np.ndarray, "height width 3"]
    # The objective on the first and the last picture, whole and unmoved.
    start_score: float
    score: float
    # The objective on `shown`, which is all that anybody sees: less where much had to be cut off.
    shown_score: float
    # The largest value of the objective's channels anywhere in the last picture's feature map.
    largest: float
    # No gradient reached the picture, or not even one unit could be brought above its ReLU by a picture made for that.
    dead: bool
    # Fewer than asked for after an interrupt.
    steps: int
    # Every `snapshot_every` steps, the first and the last picture included.
    snapshots: tuple[UInt8[np.ndarray, "height width 3"], ...] = ()

    @property
    def shown(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture as it can be shown: cut off at 0 and 255."""
        return as_shown(self.levels)

    @property
    def cut_off(self) -> float:
        """Share of values outside 0..255, which cannot be shown."""
        return float(((self.levels < 0) | (self.levels > 255)).mean())


def as_shown(levels: Float32[np.ndarray, "*axes"]) -> UInt8[np.ndarray, "*axes"]:
    """Returns levels rounded and cut off at 0 and 255."""
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)
