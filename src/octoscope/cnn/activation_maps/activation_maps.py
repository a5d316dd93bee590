"""Where on a picture a score comes from, seen from a layer: five class activation maps, each one formula.

All of them weigh the layer's activation and cut off what is below 0. Take "gradcam" on the last layers of a classifier, "layercam" on
earlier ones; "ablationcam" checks either without gradients.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float
from octoscope.cnn.activation_maps.explained_score import CHUNK, ExplainedScore, ScoreFacts, in_chunks
from octoscope.errors import SelectionError, nearest


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """Where a layer's activation bears on one score, by one method: one value per unit, with what it cost."""

    # As in the field: "Grad-CAM".
    method: str
    explained: ScoreFacts
    # 0 or more, one value per unit: the sum of weight times activation, cut off at 0 as all these methods do.
    heat: Float[np.ndarray, "row column"]
    # The same before that; negative where the layer speaks against the score. None where a method knows no negative.
    signed: Float[np.ndarray, "row column"] | None
    # The weight of each channel; None where every unit has its own.
    weights: Float[np.ndarray, " channel"] | None
    # Whole passes through the network; passes from the layer on count apart.
    forwards: int = 1
    backwards: int = 0
    tail_forwards: int = 0
    note: str = ""

    @property
    def cost(self) -> str:
        """The cost in words."""
        parts = [f"{self.forwards} forward{'s' * (self.forwards != 1)}"]
        parts += [f"{self.backwards} backward{'s' * (self.backwards != 1)}"] if self.backwards else []
        parts += [f"{self.tail_forwards} from the layer on"] if self.tail_forwards else []
        return " + ".join(parts)


def activation_map(explained: ExplainedScore, method: str = "gradcam") -> ActivationMap:
    """Returns where a layer bears on a score.

    Args:
      explained: From `class_score` or `action_score`.
      method: One of `CAM_METHODS`.

    Raises:
      SelectionError: If there is no such method.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> activation_map(class_score(load_embedded_network(), np.full((32, 32, 3), 99), 2)).method
    'Grad-CAM'
    """
    if method not in CAM_METHODS:
        raise SelectionError(
            f"There is no class activation map '{method}'.{nearest(method, CAM_METHODS)} Methods: {', '.join(CAM_METHODS)}."
        )
    return CAM_METHODS[method](explained)


def grad_cam(explained: ExplainedScore) -> ActivationMap:
    """Returns the map in which each channel is weighted by the mean gradient of the score over its map.

    Reference: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", 2017, section 3. https://arxiv.org/abs/1610.02391
    One forward and one short backward. Far from the output, where gradients change sign over the map, the mean cancels: take Layer-CAM.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (64, 64, 3))
    >>> grad_cam(class_score(load_embedded_network(), picture, 2)).heat.shape
    (8, 8)
    """
    return _weighted("Grad-CAM", explained, explained.gradient().mean(axis=(0, 1)), backwards=1)


def grad_cam_plus_plus(explained: ExplainedScore) -> ActivationMap:
    """Returns the map by positive gradients only, so weighted that a small second object of the class counts as much as a large one.

    Reference: Chattopadhyay et al., "Grad-CAM++", 2018, equations 5 to 7 and 19. https://arxiv.org/abs/1710.11063
    As there, the score is exp(logit), whose second and third derivatives are powers of the first times that factor; the factor itself is
    left out, as it scales the whole map.
    """
    weights = _plus_plus_weights(explained.gradient(), np.asarray(explained.activation[0]))
    return _weighted("Grad-CAM++", explained, weights, backwards=1)


def layer_cam(explained: ExplainedScore) -> ActivationMap:
    """Returns the sum over channels of each unit's activation times its own positive gradient: early layers give fine maps too.

    Reference: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", 2021, equations 3 to 5.
    https://doi.org/10.1109/TIP.2021.3089943
    """
    signed = (np.maximum(explained.gradient(), 0.0) * np.asarray(explained.activation[0])).sum(axis=-1)
    return ActivationMap("Layer-CAM", explained.facts, np.maximum(signed, 0.0), signed, None, backwards=1)


def score_cam(explained: ExplainedScore, *, chunk: int = CHUNK) -> ActivationMap:
    """Returns the map in which each channel is weighted by the score of the picture seen through that channel's own map; no gradients.

    Reference: Wang et al., "Score-CAM", 2020, section 3. https://arxiv.org/abs/1910.01279
    One whole forward per channel. What a mask hides becomes the network's mean colour, which it sees as zero. The weights are a softmax
    over the channels' scores, as in the authors' program: where scores differ little, as those of an action may, all channels weigh about
    the same.

    Args:
      explained: The score and the layer.
      chunk: Masked pictures at once.

    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> picture = np.random.default_rng(0).uniform(0, 255, (32, 32, 3))
    >>> heat_map = score_cam(class_score(load_embedded_network(), picture, 2, layer="relu1"))
    >>> heat_map.forwards, round(float(heat_map.weights.sum()), 3)
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
    note = f"scores of the masked pictures span {float(scores.max() - scores.min()):.3g}"
    return _weighted("Score-CAM", explained, weights, forwards=count + 1, note=note)


def ablation_cam(explained: ExplainedScore, *, closed_form: bool = True, chunk: int = CHUNK) -> ActivationMap:
    """Returns the map in which each channel is weighted by how far the score falls when the channel is set to 0; no gradients needed.

    Reference: Desai & Ramaswamy, "Ablation-CAM", 2020, equation 3. https://openaccess.thecvf.com/content_WACV_2020/html/
    Desai_Ablation-CAM_Visual_Explanations_for_Deep_Convolutional_Network_via_Gradient-free_WACV_2020_paper.html
    They divide the fall by the score; we do not: that turns the map's sign where the score is negative, and changes only its scale
    elsewhere. Where the score is an affine function of the layer (average pool and linear head: ResNets, SqueezeNet before its last ReLU),
    the fall is the sum of gradient times activation: one backward instead of one pass per channel, and exactly the same numbers.

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
        note = "closed form: the score is affine in the layer"
        return _weighted("Ablation-CAM", explained, falls, backwards=1, note=note)
    count = activation.shape[-1]

    def without(start: int, stop: int) -> Array:
        rest = 1.0 - jnp.eye(count, dtype=activation.dtype)[start:stop]
        return activation * rest[:, None, None, :]

    falls = explained.value - in_chunks(explained.from_activation, count, without, chunk=chunk)
    return _weighted("Ablation-CAM", explained, falls.astype(np.float32), tail_forwards=count)


CAM_METHODS: Mapping[str, Callable[[ExplainedScore], ActivationMap]] = {
    "gradcam": grad_cam,
    "gradcam++": grad_cam_plus_plus,
    "layercam": layer_cam,
    "scorecam": score_cam,
    "ablationcam": ablation_cam,
}


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


def _weighted(
    method: str, explained: ExplainedScore, weights: Float[np.ndarray, " channel"], **cost: Any
) -> ActivationMap:
    """Returns the map of one weight per channel: max(sum over channels of weight * activation, 0)."""
    signed = np.asarray(explained.activation[0]) @ weights.astype(np.float32)
    return ActivationMap(method, explained.facts, np.maximum(signed, 0.0), signed, weights, **cost)


def _plus_plus_weights(
    gradient: Float[np.ndarray, "row column channel"], activation: Float[np.ndarray, "row column channel"]
) -> Float[np.ndarray, " channel"]:
    """Returns the weight of each channel: sum of alpha * max(g, 0), alpha = g^2 / (2 g^2 + g^3 * sum of the channel's activation).

    Where the denominator is 0 alpha is 0. For activations that may be negative (before a ReLU) it can come near 0 by
    cancelling; the paper assumes a ReLU before.

    >>> gradient, activation = np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 3.0)
    >>> _plus_plus_weights(gradient, activation).tolist()  # alpha = 4 / (8 + 8 * 3)
    [0.25]
    """
    square = gradient.astype(np.float64) ** 2
    bottom = 2.0 * square + square * gradient * activation.sum(axis=(0, 1), dtype=np.float64)
    alpha = np.divide(square, bottom, out=np.zeros_like(square), where=bottom != 0)
    return (alpha * np.maximum(gradient, 0.0)).sum(axis=(0, 1)).astype(np.float32)
