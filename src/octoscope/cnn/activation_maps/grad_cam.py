"""Grad-CAM: each channel of a layer weighted by the mean gradient of the score over its map.

Reference: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", 2017, section 3. https://arxiv.org/abs/1610.02391
One forward and one short backward. Far from the output, where gradients change sign over the map, the mean cancels: take Layer-CAM.
"""

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.activation_maps.cam_result import ActivationMap, weighted_map
from octoscope.cnn.activation_maps.explained_score import ExplainedScore

METHOD = "Grad-CAM"


def grad_cam(explained: ExplainedScore) -> ActivationMap:
    """Returns the map of a score.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (64, 64, 3))
    >>> grad_cam(class_score(load_embedded_network(), picture, 2)).heat.shape
    (8, 8)
    """
    return weighted_map(METHOD, explained, grad_cam_weights(explained.gradient()), backwards=1)


def grad_cam_weights(gradient: Float[np.ndarray, "row column channel"]) -> Float[np.ndarray, " channel"]:
    """Returns the weight of each channel: the mean of its gradient.

    >>> grad_cam_weights(np.array([[[1.0, 0.0]], [[3.0, 0.0]]])).tolist()
    [2.0, 0.0]
    """
    return gradient.mean(axis=(0, 1))
