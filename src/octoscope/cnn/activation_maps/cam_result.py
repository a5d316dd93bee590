"""What a class activation map is: one value per unit of a layer, with what it cost."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.activation_maps.explained_score import ExplainedScore


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """Where a layer's activation bears on one score, by one method."""

    # As in the field: "Grad-CAM".
    method: str
    explained: ExplainedScore
    # 0 or more, one value per unit: the sum of weight times activation, cut off at 0 as all these methods do.
    heat: Float[np.ndarray, "row column"]
    # The same before that; negative where the layer speaks against the score. None where a method knows no negative.
    signed: Float[np.ndarray, "row column"] | None
    # The weight of each channel; None where every unit has its own.
    weights: Float[np.ndarray, " channel"] | None
    # Whole passes through the network; passes from the layer on count apart.
    forwards: int
    backwards: int
    tail_forwards: int = 0
    note: str = ""

    @property
    def cost(self) -> str:
        """The cost in words."""
        parts = [f"{self.forwards} forward{'s' * (self.forwards != 1)}"]
        parts += [f"{self.backwards} backward{'s' * (self.backwards != 1)}"] if self.backwards else []
        parts += [f"{self.tail_forwards} from the layer on"] if self.tail_forwards else []
        return " + ".join(parts)


def weighted_map(
    method: str,
    explained: ExplainedScore,
    weights: Float[np.ndarray, " channel"],
    *,
    forwards: int = 1,
    backwards: int = 0,
    tail_forwards: int = 0,
    note: str = "",
) -> ActivationMap:
    """Returns the map of one weight per channel: max(sum over channels of weight * activation, 0)."""
    signed = np.asarray(explained.activation[0]) @ weights.astype(np.float32)
    return ActivationMap(
        method, explained, np.maximum(signed, 0.0), signed, weights, forwards, backwards, tail_forwards, note
    )
