"""Grad-CAM++: positive gradients only, weighted so that a small second object of the class counts as much as a large one.

Reference: Chattopadhyay et al., "Grad-CAM++", 2018, equations 5 to 7 and 19. https://arxiv.org/abs/1710.11063
As there, the score is exp(logit), whose second and third derivatives are powers of the first times that factor; the factor itself is
left out, as it scales the whole map.
"""

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.activation_maps.cam_result import ActivationMap, weighted_map
from octoscope.cnn.activation_maps.explained_score import ExplainedScore

METHOD = "Grad-CAM++"


def grad_cam_plus_plus(explained: ExplainedScore) -> ActivationMap:
    """Returns the map of a score.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (64, 64, 3))
    >>> bool((grad_cam_plus_plus(class_score(load_embedded_network(), picture, 2)).weights >= 0).all())
    True
    """
    weights = grad_cam_plus_plus_weights(explained.gradient(), np.asarray(explained.activation[0]))
    return weighted_map(METHOD, explained, weights, backwards=1)


def grad_cam_plus_plus_weights(
    gradient: Float[np.ndarray, "row column channel"], activation: Float[np.ndarray, "row column channel"]
) -> Float[np.ndarray, " channel"]:
    """Returns the weight of each channel: sum of alpha * max(g, 0), alpha = g^2 / (2 g^2 + g^3 * sum of the channel's activation).

    Where the denominator is 0 alpha is 0. For activations that may be negative (before a ReLU) it can come near 0 by
    cancelling; the paper assumes a ReLU before.

    >>> gradient, activation = np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 3.0)
    >>> grad_cam_plus_plus_weights(gradient, activation).tolist()  # alpha = 4 / (8 + 8 * 3)
    [0.25]
    """
    square = gradient.astype(np.float64) ** 2
    bottom = 2.0 * square + square * gradient * activation.sum(axis=(0, 1), dtype=np.float64)
    alpha = np.divide(square, bottom, out=np.zeros_like(square), where=bottom != 0)
    return (alpha * np.maximum(gradient, 0.0)).sum(axis=(0, 1)).astype(np.float32)
