"""Integrated gradients: the difference of the score to a baseline picture, shared out over the pixels.

Reference: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017. https://arxiv.org/abs/1703.01365
Their completeness axiom is checked: the values must add up to score(picture) - score(baseline), and each result says by how much they miss.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Num

from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.objectives import Objective, weight_maps
from octoscope.cnn.networks.watched_forward import watch
from octoscope.cnn.saliency.relu_rules import plain_gradient
from octoscope.cnn.saliency.saliency_result import Saliency
from octoscope.cnn.saliency.saliency_target import score_of
from octoscope.errors import SelectionError, nearest

# Middles of equal parts stay middles when each part is cut in three.
_CUTS = 3
# mean: the network's mean colour, which it sees as zero. black and white: 0 and 255 throughout.
Baseline = Literal["mean", "black", "white"]


def integrated_gradients(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    objectives: Sequence[Objective],
    *,
    steps: int = 16,
    tolerance: float = 0.05,
    baseline: Baseline = "mean",
) -> list[Saliency]:
    """Returns each pixel's share of score(picture) - score(baseline), in units of the score.

    A pixel that has the baseline's colour gets 0 by definition, whatever it means.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: What to explain, one result each; all share the forwards.
      steps: Places on the straight way from baseline to picture, in the middle of equal parts, to begin with. While the values of some
        objective miss more than the tolerance, each part is cut in three, so that no place is computed twice: up to 27 times as many.
      tolerance: Largest completeness gap that is taken: how far the values may be from adding up, as a part of score(picture) -
        score(baseline). Where that is about 0, the gap stays large and says so.
      baseline: Where the way begins.

    Raises:
      SelectionError: If there is no step, the tolerance is not above 0, or the baseline is unknown.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> from octoscope.cnn.networks.objectives import mean_of
    >>> picture = np.full((32, 32, 3), 99)
    >>> shares = integrated_gradients(load_embedded_network(), picture, "conv1", [mean_of(3)], steps=2)
    >>> shares[0].gap < 1e-4  # the convolution itself is linear
    True
    """
    if steps < 1 or not tolerance > 0:
        raise SelectionError(
            f"Integrated gradients need at least 1 step and a tolerance above 0, got {steps} and {tolerance:g}."
        )
    end = np.asarray(picture, np.float32)
    start = _baseline_picture(network, end, baseline)
    forward, from_baseline = watch(network, end, layer), watch(network, start, layer).activation
    maps = np.asarray(weight_maps(objectives, forward.activation.shape))
    scores = [score_of(weights, forward.activation) for weights in maps]
    changes = [score - score_of(weights, from_baseline) for score, weights in zip(scores, maps, strict=True)]
    slopes: list[np.ndarray] = [np.zeros(end.shape, np.float64) for _ in objectives]
    count = 0
    while True:
        fresh = range(steps) if not count else [place for place in range(_CUTS * count) if place % _CUTS != 1]
        count = _CUTS * count if count else steps
        for place in fresh:
            between = start + (end - start) * np.float32((place + 0.5) / count)
            gradients = plain_gradient(network, between, layer, objectives)
            slopes = [slope + gradient.values for slope, gradient in zip(slopes, gradients, strict=True)]
        shares = [(end - start) * slope / count for slope in slopes]
        gaps = [_completeness_gap(values, change) for values, change in zip(shares, changes, strict=True)]
        if max(gaps) <= tolerance or count >= steps * _CUTS**3:
            break
    return [
        Saliency(
            "integrated gradients",
            network.name,
            forward.layer,
            objective,
            values.astype(np.float32),
            "share of the score",
            score,
            forwards=count + 2,
            backwards=count,
            note=f"baseline {baseline}, {count} steps; sum {values.sum():.3g} of {change:.3g}, gap {gap:.1%}",
            gap=gap,
        )
        for objective, values, score, change, gap in zip(objectives, shares, scores, changes, gaps, strict=True)
    ]


def _completeness_gap(values: Float[np.ndarray, "height width 3"], change: float) -> float:
    """Returns how far values are from adding up to the change that they explain, as a part of it; 0 where both are 0."""
    return float(abs(values.sum() - change) / max(abs(change), 1e-12))


def _baseline_picture(
    network: Network, picture: Float[np.ndarray, "height width 3"], baseline: Baseline
) -> Float[np.ndarray, "height width 3"]:
    """Returns the picture of one colour that a baseline stands for.

    Raises:
      SelectionError: If it is unknown.
    """
    baselines = get_args(Baseline)
    if baseline not in baselines:
        raise SelectionError(
            f"The baseline must be one of {', '.join(baselines)}, got '{baseline}'.{nearest(baseline, baselines)}"
        )
    color = {"mean": network.mean, "black": (0.0,) * 3, "white": (255.0,) * 3}[baseline]
    return np.broadcast_to(np.asarray(color, np.float32), picture.shape)
