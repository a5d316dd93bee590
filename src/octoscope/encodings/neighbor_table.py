"""The nearest patches of every patch of some frames at once, for a page on which any of them can be clicked.

`nearest_patches` answers for one patch. Cost here: one product of matrices for each frame asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int


@dataclass(frozen=True, eq=False)
class NeighborTable:
    """For each patch asked for, the best patches of the frames that are most like it, the most alike first."""

    # Frame of the neighbour, of those that were sought in; -1 where there are no more.
    frames: Int[np.ndarray, "asked cell neighbor"]
    # Its cell, counted row by row; -1 where there are no more.
    cells: Int[np.ndarray, "asked cell neighbor"]
    # -1..1; NaN where there are no more.
    cosines: Float[np.ndarray, "asked cell neighbor"]


def neighbor_table(
    frames: Float[np.ndarray, "frame cell embed"],
    episodes: Int[np.ndarray, " frame"],
    asked: Sequence[int],
    *,
    count: int = 6,
    without_position: bool = False,
    other_episodes: bool = False,
) -> NeighborTable:
    """Returns for every patch of some frames the frames whose best patch is most like it; never the same frame.

    Args:
      frames: The encodings of every frame's cells at one depth: all that neighbours are sought among.
      episodes: Which episode each frame is of.
      asked: Frames whose patches are asked for.
      count: Neighbours of each patch.
      without_position: Subtract from each encoding the mean of its cell over all frames first, as `nearest_patches` does.
      other_episodes: Only patches of other episodes, and only the best one of each.

    >>> result = neighbor_table(np.random.default_rng(0).normal(size=(3, 4, 8)), np.array([0, 0, 1]), [0], count=2)
    >>> result.frames.shape, sorted(result.frames[0, 0].tolist())
    ((1, 4, 2), [1, 2])
    """
    vectors = frames - (frames.mean(axis=0, dtype=np.float64) if without_position else 0.0)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = (vectors / np.where(lengths > 0, lengths, np.inf)).astype(np.float32)
    nearest = [_nearest(units, frame, episodes, count=count, other_episodes=other_episodes) for frame in asked]
    parts = [np.stack(part) for part in zip(*nearest, strict=True)]
    return NeighborTable(parts[0], parts[1], parts[2])


def _nearest(
    units: Float[np.ndarray, "frame cell embed"],
    asked: int,
    episodes: Int[np.ndarray, " frame"],
    *,
    count: int,
    other_episodes: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns frames, cells and cosines (cell, neighbor) for the patches of one frame."""
    cells = units.shape[1]
    scores = (units[asked] @ units.reshape(-1, units.shape[-1]).T).reshape(cells, -1, cells)
    best_cells = scores.argmax(axis=-1)
    best = np.take_along_axis(scores, best_cells[..., None], axis=-1)[..., 0]
    allowed = episodes != episodes[asked] if other_episodes else np.arange(len(units)) != asked
    best = np.where(allowed, best, -np.inf)
    if other_episodes:
        for episode in np.unique(episodes):
            places = np.flatnonzero(episodes == episode)
            largest = best[:, places] == best[:, places].max(axis=1, keepdims=True)
            first = largest & (largest.cumsum(axis=1) == 1)
            best[:, places] = np.where(first, best[:, places], -np.inf)
    order = np.argsort(-best, axis=1, kind="stable")[:, :count]
    cosines = np.take_along_axis(best, order, axis=1).astype(np.float64)
    there = np.isfinite(cosines)
    return (
        np.where(there, order, -1),
        np.where(there, np.take_along_axis(best_cells, order, axis=1), -1),
        np.where(there, cosines, np.nan),
    )
