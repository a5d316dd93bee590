"""Plain gradient: how the score changes with each pixel, to first order.

Reference: Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2014. https://arxiv.org/abs/1312.6034
Noisy where many ReLUs and pools switch; it does follow the weights.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.objectives import Objective
from octoscope.cnn.saliency.relu_rule_saliency import relu_rule_saliency
from octoscope.cnn.saliency.saliency_result import Saliency

METHOD = "plain gradient"


def plain_gradient(
    network: Network, picture: Num[np.ndarray, "height width 3"], layer: str, objectives: Sequence[Objective]
) -> list[Saliency]:
    """Returns the gradient of each objective by the picture, per level of 0..255.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share one forward.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.networks.objectives import mean_of
    >>> plain_gradient(load_embedded_network(), np.full((32, 32, 3), 99), "relu1", [mean_of(3)])[0].values.shape
    (32, 32, 3)
    """
    return relu_rule_saliency(network, picture, layer, objectives, relu_rule="plain", method=METHOD)
