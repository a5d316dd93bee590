"""Deconvnet: a backward pass whose ReLUs look at the cotangent alone, as if the network ran upside down.

Reference: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014. https://arxiv.org/abs/1311.2901
Max pools go back through the switches of the forward, as in the paper. The ReLUs' own state does not count: a network without max pools
gives the same map for every picture, but for which unit was asked for.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.objectives import Objective
from octoscope.cnn.saliency.relu_rule_saliency import relu_rule_saliency
from octoscope.cnn.saliency.saliency_result import Saliency

METHOD = "deconvnet"


def deconvnet(
    network: Network, picture: Num[np.ndarray, "height width 3"], layer: str, objectives: Sequence[Objective]
) -> list[Saliency]:
    """Returns the deconvnet pull-back of each objective, per level of 0..255.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share one forward.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.networks.objectives import mean_of
    >>> deconvnet(load_embedded_network(), np.full((32, 32, 3), 99), "relu1", [mean_of(3)])[0].values.shape
    (32, 32, 3)
    """
    return relu_rule_saliency(network, picture, layer, objectives, relu_rule="deconvnet", method=METHOD)
