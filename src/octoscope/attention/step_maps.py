"""A query's maps on one frame at many steps, measured together: spread, change, and likeness to their mean, in single precision."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Float32


@dataclass(frozen=True)
class StepMaps:
    """The rows on one frame, each decoded and brought to a sum of 1 once; NaN where there is no weight at all."""

    raw: Float32[np.ndarray, "step layer head patch"]
    # That sum to 1.
    parts: Float32[np.ndarray, "step layer head patch"]
    # Of the parts, about the grid's middle, in patches: mean of y and x, and of their squares. Doubles: what is spread little would
    # be lost in the difference of two large numbers.
    first: Float[np.ndarray, "step layer head 2"]
    second: Float[np.ndarray, "step layer head 2"]
    grid: tuple[int, int]

    @classmethod
    def of(cls, raw: Float32[np.ndarray, "step layer head patch"], grid: tuple[int, int]) -> "StepMaps":
        """Returns the maps of stored rows, on one frame.

        Args:
          raw: Weights on the frame's patches, row-major.
          grid: Rows and columns of patches.
        """
        places = _centred(grid)
        columns = np.concatenate([np.ones((len(places), 1)), places, places**2], axis=1)
        moments = raw.astype(np.float64) @ columns
        total = np.where(moments[..., :1] > 0, moments[..., :1], np.nan)
        moments = moments[..., 1:] / total
        return cls(raw, raw / total.astype(np.float32), moments[..., :2], moments[..., 2:], grid)

    def centers(self, places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, "step layer head 2"]:
        """Returns the centre of mass of each map, in the units of a grid of places."""
        return places.mean(axis=(0, 1)) + self.first * _patch_size(places)

    def spread(self, places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, "step layer head"]:
        """Returns what `map_spread` does, in the units of a grid of places."""
        variance = np.maximum(0.0, self.second - self.first**2) * _patch_size(places) ** 2
        return np.sqrt(variance.sum(axis=-1))

    def moved(self, later: Sequence[int]) -> Float[np.ndarray, "layer head"]:
        """Returns the part of the map that moves from the step before, mean over some steps."""
        before = [place - 1 for place in later]
        change = np.abs(self.parts[later] - self.parts[before]).sum(axis=-1)
        return 0.5 * change.mean(axis=0, dtype=np.float64)

    def deviation(self) -> Float[np.ndarray, "step layer head"]:
        """Returns how far each step's map is from the mean map of all."""
        total = self._mean.sum(axis=-1, keepdims=True)
        mean = (self._mean / np.where(total > 0, total, np.nan)).astype(np.float32)
        return 0.5 * np.abs(self.parts - mean).sum(axis=-1).astype(np.float64)

    @functools.cached_property
    def _mean(self) -> Float[np.ndarray, "layer head patch"]:
        return self.raw.mean(axis=0, dtype=np.float64)

    def template(self) -> Float[np.ndarray, "layer head"]:
        """Returns the cosine of each step's map with the mean map of all, mean over steps."""
        mean = self._mean.astype(np.float32)
        product = np.einsum("slhp,lhp->slh", self.raw, mean).astype(np.float64)
        lengths = np.sqrt(
            np.einsum("slhp,slhp->slh", self.raw, self.raw).astype(np.float64)
            * np.einsum("lhp,lhp->lh", mean, mean).astype(np.float64)
        )
        return np.minimum(1.0, product / np.where(lengths > 0, lengths, np.nan)).mean(axis=0)


def patch_centers(grid: tuple[int, int], box: tuple[float, float, float, float]) -> Float[np.ndarray, "row column 2"]:
    """Returns the centre (y, x) of each cell of a grid that lies on a box.

    >>> patch_centers((1, 2), (0.0, 0.0, 16.0, 32.0)).tolist()
    [[[8.0, 8.0], [8.0, 24.0]]]
    """
    top, left, bottom, right = box
    rows = top + (np.arange(grid[0]) + 0.5) * (bottom - top) / grid[0]
    columns = left + (np.arange(grid[1]) + 0.5) * (right - left) / grid[1]
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)


def _centred(grid: tuple[int, int]) -> Float[np.ndarray, "patch 2"]:
    """Returns the patches' centres about the grid's middle, in patches."""
    places = patch_centers(grid, (0.0, 0.0, float(grid[0]), float(grid[1]))).reshape(-1, 2)
    return places - places.mean(axis=0)


def _patch_size(places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, " 2"]:
    """Returns height and width of a patch, in the units of a grid of places; 1 where there is one patch alone."""
    rows, columns = places.shape[:2]
    height = places[1, 0, 0] - places[0, 0, 0] if rows > 1 else 1.0
    width = places[0, 1, 1] - places[0, 0, 1] if columns > 1 else 1.0
    return np.array([height, width])
