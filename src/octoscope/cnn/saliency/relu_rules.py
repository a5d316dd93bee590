"""Saliency by one backward pass a filter, told apart by what a ReLU lets back: plain gradient, guided backprop, deconvnet."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network, ReluRule
from octoscope.cnn.networks.objectives import Objective, weight_maps
from octoscope.cnn.networks.watched_forward import CHUNK, watch
from octoscope.cnn.saliency.saliency_result import PER_LEVEL, Saliency
from octoscope.cnn.saliency.saliency_target import score_of

_Picture = Num[np.ndarray, "height width 3"]


def plain_gradient(network: Network, picture: _Picture, layer: str, objectives: Sequence[Objective]) -> list[Saliency]:
    """Returns the gradient of each objective by the picture, per level of 0..255: how the score changes with each pixel, to first order.

    Reference: Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2014. https://arxiv.org/abs/1312.6034
    Noisy where many ReLUs and pools switch; it does follow the weights.

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
    return _pulled_back(network, picture, layer, objectives, relu_rule="plain", method="plain gradient")


def guided_backprop(network: Network, picture: _Picture, layer: str, objectives: Sequence[Objective]) -> list[Saliency]:
    """Returns the pull-back of each objective that keeps, at every ReLU, only what was positive both ways; see `plain_gradient`.

    Reference: Springenberg et al., "Striving for Simplicity", 2015. https://arxiv.org/abs/1412.6806
    Sharp, and no gradient of anything: it draws the picture's edges much the same when the weights are shuffled (Nie et al., 2018,
    https://arxiv.org/abs/1805.07039; Adebayo et al., 2018). It shows which structures can reach a filter, not what the score depends on.
    """
    return _pulled_back(network, picture, layer, objectives, relu_rule="guided", method="guided backprop")


def deconvnet(network: Network, picture: _Picture, layer: str, objectives: Sequence[Objective]) -> list[Saliency]:
    """Returns the pull-back of each objective whose ReLUs look at the cotangent alone, as if the network ran upside down.

    Reference: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014. https://arxiv.org/abs/1311.2901
    Max pools go back through the switches of the forward, as in the paper. The ReLUs' own state does not count: a network without max
    pools gives the same map for every picture, but for which unit was asked for. Arguments as of `plain_gradient`.
    """
    return _pulled_back(network, picture, layer, objectives, relu_rule="deconvnet", method="deconvnet")


def _pulled_back(
    network: Network,
    picture: _Picture,
    layer: str,
    objectives: Sequence[Objective],
    *,
    relu_rule: ReluRule,
    method: str,
) -> list[Saliency]:
    forward = watch(network, picture, layer, relu_rule)
    results = []
    chunk = min(CHUNK, len(objectives))
    # Maps of weights are made a few filters at a time: each is as large as the activation.
    for start in range(0, len(objectives), CHUNK):
        part = objectives[start : start + CHUNK]
        maps = np.asarray(weight_maps(part, forward.activation.shape))
        for objective, weights, values in zip(part, maps, forward.pull_back(maps, chunk=chunk), strict=True):
            score = score_of(weights, forward.activation)
            results.append(
                Saliency(
                    method, network.name, forward.layer, objective, values, PER_LEVEL, score, forwards=1, backwards=1
                )
            )
    return results
