"""Integrated gradients: the difference of the score to a baseline picture, shared out over the pixels.

Reference: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017. https://arxiv.org/abs/1703.01365
Their completeness axiom is checked: the values must add up to score(picture) - score(baseline), and each result says by how much they miss.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Num

from octoscope.cnn.network import Network
from octoscope.cnn.objectives import Objective, weight_maps
from octoscope.cnn.plain_gradient import plain_gradient
from octoscope.cnn.saliency_result import Saliency
from octoscope.cnn.saliency_target import score_of
from octoscope.cnn.watched_forward import watch
from octoscope.errors import SelectionError, nearest

METHOD = "integrated gradients"
# mean: the network's mean colour, which it sees as zero. black and white: 0 and 255 throughout.
Baseline = Literal["mean", "black", "white"]


def integrated_gradients(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    objectives: Sequence[Objective],
    *,
    steps: int = 50,
    baseline: Baseline = "mean",
) -> list[Saliency]:
    """Returns each pixel's share of score(picture) - score(baseline), in units of the score.

    A pixel that has the baseline's colour gets 0 by definition, whatever it means.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share the forwards.
      steps: Places on the straight way from baseline to picture, in the middle of equal parts.
      baseline: Where the way begins.

    Raises:
      SelectionError: If there is no step, or the baseline is unknown.

    >>> from octoscope.cnn.embedded_network import load_embedded_network
    >>> from octoscope.cnn.objectives import mean_of
    >>> picture = np.full((32, 32, 3), 99)
    >>> one = integrated_gradients(load_embedded_network(), picture, "conv1", [mean_of(3)], steps=2)[0]
    >>> one.gap < 1e-4  # the convolution itself is linear
    True
    """
    if steps < 1:
        raise SelectionError(f"Integrated gradients need at least 1 step, got {steps}.")
    end = np.asarray(picture, np.float32)
    start = baseline_picture(network, end, baseline)
    total: list[np.ndarray] = [np.zeros(end.shape, np.float64) for _ in objectives]
    for step in range(steps):
        between = start + (end - start) * np.float32((step + 0.5) / steps)
        total = [
            before + one.values
            for before, one in zip(total, plain_gradient(network, between, layer, objectives), strict=True)
        ]
    forward, from_baseline = watch(network, end, layer), watch(network, start, layer).activation
    rows, columns, channels = forward.activation.shape
    found = []
    for objective, whole in zip(objectives, total, strict=True):
        weights = np.asarray(weight_maps([objective], (rows, columns, channels)))[0]
        score, begun = score_of(weights, forward.activation), score_of(weights, from_baseline)
        values = (end - start) * whole / steps
        gap = float(abs(values.sum() - (score - begun)) / max(abs(score - begun), 1e-12))
        note = f"baseline {baseline}, {steps} steps; sum {values.sum():.3g} of {score - begun:.3g}, gap {gap:.1%}"
        found.append(
            Saliency(
                METHOD,
                network.name,
                forward.layer,
                objective,
                values.astype(np.float32),
                "share of the score",
                score,
                forwards=steps + 2,
                backwards=steps,
                note=note,
                gap=gap,
            )
        )
    return found


def baseline_picture(
    network: Network, picture: Float[np.ndarray, "height width 3"], baseline: Baseline
) -> Float[np.ndarray, "height width 3"]:
    """Returns the picture of one colour that a baseline stands for.

    Raises:
      SelectionError: If it is unknown.
    """
    if baseline not in get_args(Baseline):
        known = get_args(Baseline)
        raise SelectionError(
            f"The baseline must be one of {', '.join(known)}, got '{baseline}'.{nearest(baseline, known)}"
        )
    color = {"mean": network.mean, "black": (0.0,) * 3, "white": (255.0,) * 3}[baseline]
    return np.broadcast_to(np.asarray(color, np.float32), picture.shape)
