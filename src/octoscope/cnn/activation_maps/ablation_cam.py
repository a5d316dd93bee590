"""Ablation-CAM: each channel weighted by how far the score falls when the channel is set to 0; no gradients needed.

Reference: Desai & Ramaswamy, "Ablation-CAM", 2020, equation 3. https://openaccess.thecvf.com/content_WACV_2020/html/
Desai_Ablation-CAM_Visual_Explanations_for_Deep_Convolutional_Network_via_Gradient-free_WACV_2020_paper.html
They divide the fall by the score; we do not: that turns the map's sign where the score is negative, and changes only its scale elsewhere.

Where the score is an affine function of the layer (average pool and linear head: ResNets, SqueezeNet before its last ReLU), the fall is
the sum of gradient times activation, w_c * mean(A_c): one backward instead of one pass per channel, and exactly the same numbers.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.cnn.activation_maps.cam_result import ActivationMap, weighted_map
from octoscope.cnn.activation_maps.explained_score import CHUNK, ExplainedScore, in_chunks

METHOD = "Ablation-CAM"


def ablation_cam(explained: ExplainedScore, *, closed_form: bool = True, chunk: int = CHUNK) -> ActivationMap:
    """Returns the map of a score.

    Args:
      explained: The score and the layer.
      closed_form: Use it where the score is affine in the layer; False ablates channel by channel all the same.
      chunk: Ablated activations at once.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (32, 32, 3))
    >>> ablation_cam(class_score(load_embedded_network(), picture, 2, layer="relu6")).tail_forwards
    64
    """
    activation = explained.activation
    if closed_form and explained.affine:
        falls = (explained.gradient() * np.asarray(activation[0])).sum(axis=(0, 1))
        return weighted_map(METHOD, explained, falls, backwards=1, note="closed form: the score is affine in the layer")
    count = activation.shape[-1]

    def without(start: int, stop: int) -> Array:
        kept = 1.0 - jnp.eye(count, dtype=activation.dtype)[start:stop]
        return activation * kept[:, None, None, :]

    falls = explained.value - in_chunks(explained.from_activation, count, without, chunk=chunk)
    return weighted_map(METHOD, explained, falls.astype(np.float32), tail_forwards=count)
