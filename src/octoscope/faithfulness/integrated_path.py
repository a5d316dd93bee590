"""Integrated gradients of the policy's images: as many points of the path as their sum needs to be what it should be.

Reference: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017, https://arxiv.org/abs/1703.01365. By their
completeness axiom the values add up to f(x) - f(b); over few points they do not, and nothing but the sum shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float
from octoscope.faithfulness.step_gradients import GradientPrograms
from octoscope.interventions.step_scene import PolicyInputs

# Middles of equal parts stay middles when each part is cut in three, so that no point is computed twice.
_CUTS = 3
# Times the points to begin with.
MOST = _CUTS**3


@dataclass(frozen=True, eq=False)
class PathGradients:
    """What each pixel adds to the change of the target from the baseline to the images."""

    # By observation key.
    pixels: Mapping[str, Float[np.ndarray, "window _ _ channel"]]
    # f(x) - f(b): what they should add up to.
    change: float
    # Forwards and backwards it took.
    points: int

    @property
    def total(self) -> float:
        """What they add up to."""
        return float(sum(values.sum() for values in self.pixels.values()))

    @property
    def gap(self) -> float:
        """How far the sum is from the change, as a part of the change; NaN where the target does not change."""
        return abs(self.total - self.change) / abs(self.change) if self.change else float("nan")


def integrate_path(
    programs: GradientPrograms,
    inputs: PolicyInputs,
    baseline: Mapping[str, Float[np.ndarray, "1 window _ _ channel"]],
    key: Array,
    weights: Float[np.ndarray, "horizon dim"],
    *,
    end: float,
    points: int,
    tolerance: float,
) -> PathGradients:
    """Returns integrated gradients, by the midpoint rule over `points`, or 3, 9 or 27 times as many until the gap is within tolerance.

    A target that bends sharply, or hardly changes, may miss the tolerance even then: read the gap.

    Args:
      programs: The policy.
      inputs: The step.
      baseline: Images to start from, by observation key.
      key: Of the noise.
      weights: Of the entries of the action in the target.
      end: The target at the step itself.
      points: To begin with; so many are run in one call.
      tolerance: Largest gap that is taken, as a part of the change.
    """
    start = replace(inputs, observation={**inputs.observation, **baseline})
    change = end - programs.target(start, key, weights)
    total = {name: np.zeros(values.shape[1:], np.float64) for name, values in baseline.items()}
    count, done = points, 0
    while True:
        parts = (np.arange(count, dtype=np.float32) + 0.5) / count
        # The middle third of each part is what the last round had.
        fresh = parts if not done else np.delete(parts, np.arange(1, count, _CUTS))
        for first in range(0, len(fresh), points):
            slopes = programs.slopes_along(inputs, baseline, key, weights, fresh[first : first + points])
            total = {name: values + slopes[name] for name, values in total.items()}
        done = count
        pixels = {
            name: values / count * (np.asarray(inputs.observation[name][0], np.float64) - baseline[name][0])
            for name, values in total.items()
        }
        found = PathGradients(pixels, change, count)
        if not found.gap > tolerance or count >= MOST * points:
            return found
        count *= _CUTS
