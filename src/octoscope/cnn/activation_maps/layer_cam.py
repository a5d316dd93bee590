"""Layer-CAM: each unit's activation times its own positive gradient, so that early layers give fine maps too.

Reference: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", 2021, equations 3 to 5.
https://doi.org/10.1109/TIP.2021.3089943
"""

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.activation_maps.cam_result import ActivationMap
from octoscope.cnn.activation_maps.explained_score import ExplainedScore

METHOD = "Layer-CAM"


def layer_cam(explained: ExplainedScore) -> ActivationMap:
    """Returns the map of a score.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (64, 64, 3))
    >>> layer_cam(class_score(load_embedded_network(), picture, 2, layer="relu2")).heat.shape
    (32, 32)
    """
    signed = layer_cam_values(explained.gradient(), np.asarray(explained.activation[0]))
    return ActivationMap(METHOD, explained, np.maximum(signed, 0.0), signed, None, forwards=1, backwards=1)


def layer_cam_values(
    gradient: Float[np.ndarray, "row column channel"], activation: Float[np.ndarray, "row column channel"]
) -> Float[np.ndarray, "row column"]:
    """Returns the sum over channels of max(g, 0) * activation.

    >>> layer_cam_values(np.array([[[2.0, -1.0]]]), np.array([[[3.0, 5.0]]])).tolist()
    [[6.0]]
    """
    return (np.maximum(gradient, 0.0) * activation).sum(axis=-1)
