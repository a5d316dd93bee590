"""The plane in which vectors vary most, by principal components; NumPy's SVD, so that it has no other needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float


@dataclass(frozen=True, eq=False)
class PrincipalPlane:
    """A plane fitted once, onto which any vectors of the same space can be laid."""

    mean: Float[np.ndarray, " embed"]
    # Orthonormal; the sign is such that the largest entry of each is positive.
    axes: Float[np.ndarray, "2 embed"]
    # Of the variance of what it was fitted to.
    explained: tuple[float, float]

    def place(self, vectors: Float[np.ndarray, "*many embed"]) -> Float[np.ndarray, "*many 2"]:
        """Returns the coordinates of vectors in the plane."""
        return (vectors - self.mean) @ self.axes.T


def fit_plane(vectors: Sequence[Float[np.ndarray, "_ embed"]]) -> PrincipalPlane:
    """Returns the plane through the mean of all vectors, along the two directions in which they vary most.

    Args:
      vectors: In as many arrays as is handy; at least two vectors of two entries.

    >>> plane = fit_plane([np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), np.array([[1.0, 1.0, 0.0]])])
    >>> [round(part, 2) for part in plane.explained], plane.place(np.array([2.0, 1 / 3, 0.0])).round(3).tolist()
    ([0.75, 0.25], [1.0, 0.0])
    """
    joined = np.concatenate(vectors).astype(np.float64)
    mean = joined.mean(axis=0)
    _, lengths, axes = np.linalg.svd(joined - mean, full_matrices=False)
    largest = np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1)
    share = np.square(lengths) / max(float(np.square(lengths).sum()), np.finfo(float).tiny)
    return PrincipalPlane(mean, axes[:2] * np.where(largest < 0, -1.0, 1.0), (float(share[0]), float(share[1])))
