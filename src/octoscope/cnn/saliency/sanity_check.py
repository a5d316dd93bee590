"""The sanity check of a saliency method: its map on the learnt network beside its maps as the weights are drawn anew from the top down.

Reference: Adebayo et al., "Sanity Checks for Saliency Maps", 2018. https://arxiv.org/abs/1810.03292
A method whose map stays the same tells nothing of what the network has learnt. Guided backprop survives it, as they and Nie et al.
(2018, https://arxiv.org/abs/1805.07039) found; plain gradients and Grad-CAM do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.weight_randomization import layers_with_kernels, randomized
from octoscope.correlation import spearman
from octoscope.errors import SelectionError
from octoscope.other_seed import other_seed

# There is nothing to compare: the random network's map is empty, or the learnt one's is.
_NO_SIGNAL, _LEARNT_EMPTY = "no signal", "learnt map empty"
# Random networks tried for one stage, until one leaves the explained filter a signal.
_DRAWS = 8


@dataclass(frozen=True, eq=False)
class RandomizedStage:
    """The map once all layers from the top down to `layer` are random."""

    # Lowest layer that is random.
    layer: str
    # How many layers are, of how many.
    depth: int
    of: int
    values: Float[np.ndarray, "height width *colors"]
    # Spearman's rank correlation of the magnitudes with those of the learnt network; NaN when the map is empty.
    similarity: float

    @property
    def score(self) -> str:
        """The similarity in words."""
        if np.isnan(self.similarity):
            return _LEARNT_EMPTY if self.values.any() else _NO_SIGNAL
        # Adding 0 makes -0.00 a plain 0.00.
        return f"rank corr. {round(self.similarity, 2) + 0.0:.2f}"


def sanity_check(
    network: Network,
    layer: str,
    explain: Callable[[Any], Float[np.ndarray, "height width *colors"]],
    *,
    stages: int = 4,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "height width *colors"], list[RandomizedStage]]:
    """Returns the map on the learnt network, and the maps as randomisation goes down from the explained layer.

    Args:
      network: With learnt weights.
      layer: The layer that is explained: nothing above it matters.
      explain: Gives the map for a network: `lambda net: filter_saliency(net, picture, layer, [3])[0].values`.
      stages: How many steps of the cascade are shown, evenly spread; the last has every layer drawn anew.
      seed: Of what is drawn.

    Raises:
      SelectionError: If there are no stages, or the network's weights cannot be drawn anew.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.saliency.saliency import filter_saliency
    >>> picture = np.random.default_rng(0).uniform(0, 255, (32, 32, 3))
    >>> explain = lambda network: filter_saliency(network, picture, "relu1", [3], method="gradient")[0].values
    >>> _, (stage,) = sanity_check(load_embedded_network(), "relu1", explain, stages=1)
    >>> stage.layer, stage.similarity < 0.5
    ('conv1', True)
    """
    if stages < 1:
        raise SelectionError(f"The sanity check needs at least 1 stage, got {stages}.")
    names = layers_with_kernels(network, layer)
    learnt = explain(network)
    cascade = []
    for depth in np.unique(np.linspace(0, len(names), min(stages, len(names)) + 1).round().astype(int)[1:]).tolist():
        top = names[len(names) - depth :]
        values, similarity = _with_signal(learnt, lambda drawn, top=top: explain(randomized(network, top, drawn)), seed)
        cascade.append(RandomizedStage(top[0], depth, len(names), values, similarity))
    return learnt, cascade


def _with_signal(
    learnt: Float[np.ndarray, "height width *colors"],
    explain: Callable[[int], Float[np.ndarray, "height width *colors"]],
    seed: int,
) -> tuple[np.ndarray, float]:
    # Behind a ReLU every second random filter is silent on a given picture: such a draw says nothing, and the next is taken.
    values, similarity = explain(seed), float("nan")
    for draw in range(_DRAWS):
        values = values if draw == 0 else explain(other_seed(seed, draw))
        similarity = spearman(magnitude(learnt), magnitude(values))
        if not np.isnan(similarity) or not magnitude(learnt).any():
            break
    return values, similarity


def magnitude(values: Float[np.ndarray, "height width *colors"]) -> Float[np.ndarray, "height width"]:
    """Returns one value of 0 or more per place: the magnitudes summed over the colours, where there are any."""
    return np.abs(values).reshape(*values.shape[:2], -1).sum(axis=-1)
