"""Guided backprop: a backward pass that keeps, at every ReLU, only what was positive both ways.

Reference: Springenberg et al., "Striving for Simplicity", 2015. https://arxiv.org/abs/1412.6806
Sharp, and no gradient of anything: it draws the picture's edges much the same when the weights are shuffled (Nie et al., 2018,
https://arxiv.org/abs/1805.07039; Adebayo et al., 2018). It shows which structures can reach a filter, not what the score depends on.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.objectives import Objective
from octoscope.cnn.saliency.relu_rule_saliency import relu_rule_saliency
from octoscope.cnn.saliency.saliency_result import Saliency

METHOD = "guided backprop"


def guided_backprop(
    network: Network, picture: Num[np.ndarray, "height width 3"], layer: str, objectives: Sequence[Objective]
) -> list[Saliency]:
    """Returns the guided pull-back of each objective, per level of 0..255.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share one forward.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.networks.objectives import mean_of
    >>> guided_backprop(load_embedded_network(), np.full((32, 32, 3), 99), "relu1", [mean_of(3)])[0].values.shape
    (32, 32, 3)
    """
    return relu_rule_saliency(network, picture, layer, objectives, relu_rule="guided", method=METHOD)
