"""Integrated gradients of the policy's images: as many points of the path as their sum needs to be what it should be.

Reference: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017, https://arxiv.org/abs/1703.01365. By their
completeness axiom the values add up to f(x) - f(b); over few points they do not, and nothing but the sum shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from octoscope.array_typing import Float, Float32, UInt8
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import Differentiable
from octoscope.policies.noise import Noise

# Middles of equal parts stay middles when each part is cut in three, so that no point is computed twice.
_CUTS = 3
# Times the points to begin with.
MOST = _CUTS**3


@dataclass(frozen=True, eq=False)
class PathGradients:
    """What each pixel adds to the change of the target from the baseline to the images."""

    # By camera.
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
    scene: StepScene,
    baseline: Mapping[str, UInt8[np.ndarray, "window _ _ channel"]],
    noise: Noise,
    weights: Float32[np.ndarray, "horizon dim"],
    *,
    end: float,
    points: int,
    tolerance: float,
) -> PathGradients:
    """Returns integrated gradients, by the midpoint rule over `points`, or 3, 9 or 27 times as many until the gap is within tolerance.

    A target that bends sharply, or hardly changes, may miss the tolerance even then: read the gap.

    Args:
      scene: A step of a policy that is `Differentiable`.
      baseline: Images to start from, by camera.
      noise: That is acted under.
      weights: Of the entries of the action in the target.
      end: The target at the step itself.
      points: To begin with; so many are run in one call.
      tolerance: Largest gap that is taken, as a part of the change.
    """
    policy, inputs = scene.policy, scene.inputs
    assert isinstance(policy, Differentiable), "the method is possible"
    start = policy.act([replace(inputs, images=dict(baseline))], noise)[0]
    change = end - float((start.astype(np.float64) * weights).sum())
    total = {camera: np.zeros(images.shape, np.float64) for camera, images in baseline.items()}
    count, done = points, 0
    while True:
        parts = (np.arange(count, dtype=np.float32) + 0.5) / count
        # The middle third of each part is what the last round had.
        fresh = parts if not done else np.delete(parts, np.arange(1, count, _CUTS))
        for first in range(0, len(fresh), points):
            slopes = policy.image_gradients(
                inputs, noise, weights, baseline=baseline, parts=fresh[first : first + points]
            )
            total = {camera: values + slopes[camera] for camera, values in total.items()}
        done = count
        pixels = {
            camera: values / count * (np.asarray(inputs.images[camera], np.float64) - baseline[camera])
            for camera, values in total.items()
        }
        path = PathGradients(pixels, change, count)
        if not path.gap > tolerance or count >= MOST * points:
            return path
        count *= _CUTS
