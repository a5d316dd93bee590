"""Position embeddings: how much what a policy learned of one place is like what it learned of every other.

As in Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, figure 7 (middle), https://arxiv.org/abs/2010.11929.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float


def position_similarity(
    embeddings: Float[np.ndarray, "row column embed"],
) -> Float[np.ndarray, "row column other_row other_column"]:
    """Returns the cosine between the position embeddings of all pairs of patches, -1..1.

    Args:
      embeddings: Of one camera at one timestep of the window, as learned.

    >>> position_similarity(np.eye(4).reshape(2, 2, 4))[0, 1]
    array([[0., 1.],
           [0., 0.]])
    """
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    unit = embeddings / np.where(lengths > 0, lengths, 1.0)
    return np.einsum("rce,pqe->rcpq", unit, unit)


@dataclass(frozen=True)
class PositionOrder:
    """What the similarities of position embeddings tell of the grid."""

    # Correlation (Pearson) of the similarity with the distance between two different patches: near -1 is an orderly grid, 0 none.
    with_distance: float
    # Mean cosine of neighbours in a row or column, of pairs in one row, in one column, and of all pairs of different patches.
    neighbors: float
    same_row: float
    same_column: float
    all_pairs: float


def position_order(similarity: Float[np.ndarray, "row column other_row other_column"]) -> PositionOrder:
    """Returns how far position embeddings know the grid; each patch's cosine with itself is left out.

    >>> rows, columns = np.indices((4, 4))
    >>> smooth = np.stack([np.cos(rows), np.sin(rows), np.cos(columns), np.sin(columns)], axis=-1)
    >>> position_order(position_similarity(smooth)).with_distance < -0.8
    True
    """
    rows, columns = (index.ravel() for index in np.indices(similarity.shape[:2]))
    flat = similarity.reshape(rows.size, rows.size)
    down, across = np.abs(rows[:, None] - rows), np.abs(columns[:, None] - columns)
    apart = np.hypot(down, across)
    others = apart > 0
    return PositionOrder(
        with_distance=float(np.corrcoef(flat[others], apart[others])[0, 1]),
        neighbors=float(flat[apart == 1].mean()),
        same_row=float(flat[others & (down == 0)].mean()),
        same_column=float(flat[others & (across == 0)].mean()),
        all_pairs=float(flat[others].mean()),
    )
