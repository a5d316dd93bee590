"""SmoothGrad: the plain gradient averaged over noisy copies of the picture, which wears off what a single pixel's change does.

Reference: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017. https://arxiv.org/abs/1706.03825
Our noise is a share of the picture's own range, as theirs; 10 to 20 % is their advice.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.objectives import Objective, weight_maps
from octoscope.cnn.networks.watched_forward import watch
from octoscope.cnn.saliency.relu_rules import plain_gradient
from octoscope.cnn.saliency.saliency_result import Saliency
from octoscope.cnn.saliency.saliency_target import score_of
from octoscope.errors import SelectionError


def smooth_grad(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    objectives: Sequence[Objective],
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
) -> list[Saliency]:
    """Returns the mean gradient over noisy copies, per level of 0..255; the score is that of the clean picture.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share the forwards.
      samples: Noisy copies, at least 1.
      noise: Standard deviation as a share of the picture's range.
      seed: Of the noise.

    Raises:
      SelectionError: If there is no sample, or the noise is negative.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.networks.objectives import mean_of
    >>> smooth_grad(load_embedded_network(), np.full((32, 32, 3), 99), "relu1", [mean_of(3)], samples=2)[0].forwards
    2
    """
    if samples < 1 or not noise >= 0:
        raise SelectionError(f"SmoothGrad needs at least 1 sample and noise of 0 or more, got {samples} and {noise}.")
    rng = np.random.default_rng(seed)
    clean = np.asarray(picture, np.float32)
    deviation = noise * float(np.ptp(clean))
    sums: list[np.ndarray] = [np.zeros(clean.shape, np.float32) for _ in objectives]
    gradients: list[Saliency] = []
    for _ in range(samples):
        noisy = clean + rng.normal(0, deviation, clean.shape).astype(np.float32)
        gradients = plain_gradient(network, noisy, layer, objectives)
        sums = [total + gradient.values for total, gradient in zip(sums, gradients, strict=True)]
    note = f"{samples} copies, noise {deviation:.3g} levels, seed {seed}"
    activation = watch(network, clean, layer).activation
    scores = [score_of(np.asarray(weights), activation) for weights in weight_maps(objectives, activation.shape)]
    return [
        dataclasses.replace(
            gradient,
            method="SmoothGrad",
            values=total / samples,
            score=score,
            forwards=samples,
            backwards=samples,
            note=note,
        )
        for gradient, total, score in zip(gradients, sums, scores, strict=True)
    ]
