"""What plain gradient, guided backprop and deconvnet share: one forward, one backward per filter, a rule at the ReLUs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network, ReluRule
from octoscope.cnn.networks.objectives import Objective, weight_maps
from octoscope.cnn.networks.watched_forward import CHUNK, watch
from octoscope.cnn.saliency.saliency_result import PER_LEVEL, Saliency
from octoscope.cnn.saliency.saliency_target import score_of


def relu_rule_saliency(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    objectives: Sequence[Objective],
    *,
    relu_rule: ReluRule,
    method: str,
    chunk: int = CHUNK,
) -> list[Saliency]:
    """Returns the pull-back of every objective under one ReLU rule.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      objectives: With their units settled.
      relu_rule: How cotangents pass ReLUs.
      method: Its name for titles.
      chunk: Filters pulled back at once.
    """
    forward = watch(network, picture, layer, relu_rule)
    shape = forward.activation.shape
    found = []
    for start in range(0, len(objectives), chunk):
        part = objectives[start : start + chunk]
        maps = np.asarray(weight_maps(part, (shape[0], shape[1], shape[2])))
        # Full chunks only, so that a last short one is not compiled for itself.
        short = 0 if len(objectives) <= chunk else chunk - len(part)
        filled = np.pad(maps, ((0, short), (0, 0), (0, 0), (0, 0))) if short else maps
        pulled = forward.pull_back(filled, chunk=chunk)
        for objective, weights, values in zip(part, maps, pulled, strict=False):
            score = score_of(weights, forward.activation)
            found.append(
                Saliency(
                    method, network.name, forward.layer, objective, values, PER_LEVEL, score, forwards=1, backwards=1
                )
            )
    return found
