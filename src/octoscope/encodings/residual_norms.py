"""Lengths of residual encodings by depth, and the tokens that stand out by theirs.

Tokens of outstanding length on empty background are what Darcet et al., "Vision Transformers Need Registers", ICLR 2024,
https://arxiv.org/abs/2309.16588, call high-norm or register-like tokens. They set one cut-off by eye, on a histogram with two humps;
here the rule is stated and the same for every policy, and it is an argument.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float

# Of the normal distribution: standard deviation over median absolute deviation.
_TO_DEVIATIONS = 1.4826


@dataclass(frozen=True, eq=False)
class ResidualNorms:
    """Lengths of the encodings of one camera's patches, and which stand out."""

    norms: Float[np.ndarray, "depth step row column"]
    # Above it a patch stands out: median plus so many robust deviations, over all patches of all steps at that depth.
    limits: Float[np.ndarray, " depth"]
    outliers: Bool[np.ndarray, "depth step row column"]
    # How many robust deviations the limit lies above the median.
    deviations: float

    def rule(self) -> str:
        """Returns the rule in words, for captions."""
        return f"longer than median + {self.deviations:g} x 1.4826 x median absolute deviation, of all patches and steps at that depth"

    def persistence(self) -> Float[np.ndarray, "depth row column"]:
        """Returns the part of steps in which each cell stands out: near 1 is a fixed place, as of a register."""
        return self.outliers.mean(axis=1)


def residual_norms(
    encodings: Float[np.ndarray, "depth step row column embed"], *, deviations: float = 6.0
) -> ResidualNorms:
    """Returns the Euclidean lengths of patch encodings, and which stand out upwards.

    Args:
      encodings: Of one camera at one timestep of the window; no padded history.
      deviations: Robust deviations above the median from which on a patch stands out. Of normally distributed lengths, 6 would mark
        one in a thousand million.

    >>> encodings = np.ones((1, 4, 2, 2, 3)) + 0.01 * np.random.default_rng(0).normal(size=(1, 4, 2, 2, 3))
    >>> encodings[0, :, 0, 1] *= 5
    >>> residual_norms(encodings).persistence()[0]
    array([[0., 1.],
           [0., 0.]])
    """
    norms = np.linalg.norm(encodings.astype(np.float64), axis=-1)
    flat = norms.reshape(len(norms), -1)
    median = np.median(flat, axis=1)
    spread = _TO_DEVIATIONS * np.median(np.abs(flat - median[:, None]), axis=1)
    limits = median + deviations * spread
    return ResidualNorms(norms, limits, norms > limits[:, None, None, None], deviations)


def local_detail(
    frames: Float[np.ndarray, "step height width"], *, grid: tuple[int, int]
) -> Float[np.ndarray, "step row column"]:
    """Returns the standard deviation of brightness within each patch: low on empty background.

    Args:
      frames: Grey, as the policy sees them; edges that fill no whole patch are left out.
      grid: Rows and columns of patches.

    >>> local_detail(np.array([[[0.0, 0.0, 1.0, 3.0]]]), grid=(1, 2)).tolist()
    [[[0.0, 1.0]]]
    """
    height, width = frames.shape[1] // grid[0], frames.shape[2] // grid[1]
    cells = frames[:, : height * grid[0], : width * grid[1]].reshape(len(frames), grid[0], height, grid[1], width)
    return cells.std(axis=(2, 4))
