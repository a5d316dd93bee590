"""Score-CAM: each channel weighted by the score of the picture seen through that channel's own map; no gradients.

Reference: Wang et al., "Score-CAM", 2020, section 3. https://arxiv.org/abs/1910.01279
One whole forward per channel. What a mask hides becomes the network's mean colour, which it sees as zero. The weights are a softmax
over the channels' scores, as in the authors' program: where scores differ little, as those of an action may, all channels weigh about
the same.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.cnn.activation_maps.cam_result import ActivationMap, weighted_map
from octoscope.cnn.activation_maps.explained_score import CHUNK, ExplainedScore, in_chunks

METHOD = "Score-CAM"


def score_cam(explained: ExplainedScore, *, chunk: int = CHUNK) -> ActivationMap:
    """Returns the map of a score.

    Args:
      explained: The score and the layer.
      chunk: Masked pictures at once.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (32, 32, 3))
    >>> found = score_cam(class_score(load_embedded_network(), picture, 2, layer="relu1"))
    >>> found.forwards, round(float(found.weights.sum()), 3)
    (25, 1.0)
    """
    masks = channel_masks(explained.activation[0], (explained.image.shape[1], explained.image.shape[2]))
    mean = jnp.asarray(explained.mean, jnp.float32)

    def masked(start: int, stop: int) -> Array:
        return mean + (explained.image - mean) * jnp.moveaxis(masks[..., start:stop], -1, 0)[..., None]

    count = masks.shape[-1]
    scores = in_chunks(explained.from_images, count, masked, chunk=chunk).astype(np.float64)
    raised = np.exp(scores - scores.max())
    weights = (raised / raised.sum()).astype(np.float32)
    spread = float(scores.max() - scores.min())
    return weighted_map(
        METHOD, explained, weights, forwards=count + 1, note=f"scores of the masked pictures span {spread:.3g}"
    )


def channel_masks(
    activation: Float[Array, "row column channel"], size: tuple[int, int]
) -> Float[Array, "height width channel"]:
    """Returns each channel enlarged to the picture (bilinear, half-pixel centres) and stretched to 0..1; a constant one becomes 0.

    >>> np.asarray(channel_masks(jnp.array([[[2.0], [4.0]]]), (1, 2))).ravel().tolist()
    [0.0, 1.0]
    """
    large = jax.image.resize(activation, (*size, activation.shape[-1]), "bilinear")
    low, high = large.min(axis=(0, 1)), large.max(axis=(0, 1))
    return jnp.where(high > low, (large - low) / jnp.where(high > low, high - low, 1.0), 0.0)
