"""Principal components as colours: one basis for all frames, so that a colour means the same in each of them.

The idea of colouring patches by their three largest principal components is from Oquab et al., "DINOv2", TMLR 2024, figure 1,
https://arxiv.org/abs/2304.07193. There each picture is stretched for itself and the background is cut away; here one basis and one
scale hold for everything that was fitted, and nothing is cut.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, UInt8

_CHANNELS = 3


@dataclass(frozen=True, eq=False)
class ColorBasis:
    """Three directions of the encodings that stand for red, green and blue, and the range of each."""

    mean: Float[np.ndarray, " embed"]
    # Unit vectors, the one of largest variance first.
    components: Float[np.ndarray, "3 embed"]
    # The coordinates that become 0 and 255: the least and the most among what the basis was fitted on.
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]
    # Part of the whole variance that each direction holds, 0..1.
    variance_shares: Float[np.ndarray, "3"]

    def coordinates(self, encodings: Float[np.ndarray, "*batch embed"]) -> Float[np.ndarray, "*batch 3"]:
        """Returns where encodings lie along the three directions, in the units of the encodings."""
        return (encodings - self.mean) @ self.components.T

    def colors(self, encodings: Float[np.ndarray, "*batch embed"]) -> UInt8[np.ndarray, "*batch 3"]:
        """Returns the colours of encodings, RGB 0..255.

        Each direction is stretched over its own range, so a weak direction looks as strong as the first: read colours with
        `variance_shares` beside them. What lies beyond the range (see `beyond`) takes the colour at its end.
        """
        spread = np.where(self.high > self.low, self.high - self.low, 1.0)
        return np.rint(np.clip((self.coordinates(encodings) - self.low) / spread, 0.0, 1.0) * 255).astype(np.uint8)

    def beyond(self, encodings: Float[np.ndarray, "*batch embed"]) -> float:
        """Returns the part of encodings that lie beyond the range of some direction, 0..1; 0 for those it was fitted on."""
        coordinates = self.coordinates(encodings)
        # The tolerance is for the last bit of another order of summation.
        slack = 1e-6 * (self.high - self.low)
        return float(((coordinates < self.low - slack) | (coordinates > self.high + slack)).any(axis=-1).mean())


def fit_color_basis(encodings: Float[np.ndarray, "*batch embed"]) -> ColorBasis:
    """Returns the three principal directions of all encodings given, and their ranges.

    The sign of a principal direction is arbitrary; here its entry of largest size is positive, so that the same encodings have the
    same colours in every rerun. Two directions of equal variance may still change places.

    Args:
      encodings: All that shall share colours, such as the patches of every frame of an episode in one layer.

    Raises:
      ValueError: If there are fewer than two encodings or three entries, or some are not finite.

    >>> grid = np.random.default_rng(0).normal(size=(5, 8, 8, 16)) * np.arange(16)
    >>> basis = fit_color_basis(grid)
    >>> basis.colors(grid).shape, basis.variance_shares.round(2)
    ((5, 8, 8, 3), array([0.2 , 0.16, 0.13]))
    """
    samples = encodings.reshape(-1, encodings.shape[-1]).astype(np.float64)
    if len(samples) < 2 or samples.shape[1] < _CHANNELS:
        raise ValueError(f"`encodings` must hold two or more vectors of three or more entries, got {encodings.shape}.")
    if not np.isfinite(samples).all():
        raise ValueError(
            "`encodings` must be finite, got NaN or infinity: leave out what was not captured or is padding."
        )
    mean = samples.mean(axis=0)
    # Of the covariance, not of the samples: an episode has a hundred times more patches than a patch has entries.
    covariance = np.cov(samples, rowvar=False)
    variances, vectors = np.linalg.eigh(covariance)
    components = vectors[:, ::-1][:, :_CHANNELS].T
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(_CHANNELS), largest])[:, None]
    coordinates = (samples - mean) @ components.T
    total = float(variances.clip(min=0).sum())
    shares = variances[::-1][:_CHANNELS].clip(min=0) / (total if total > 0 else 1.0)
    return ColorBasis(mean, components, coordinates.min(axis=0), coordinates.max(axis=0), shares)
