"""Patches like a given one, in other frames and other episodes, by the cosine of their encodings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from octoscope.array_typing import Float

# The best patch of each of these only: neighbouring cells, or frames of one episode, would fill a list otherwise.
OnePer = Literal["patch", "frame", "episode"]


@dataclass(frozen=True)
class PatchPlace:
    """One patch of one frame of one episode."""

    # Index into the episodes given.
    episode: int
    # Index into the steps of that episode's encodings.
    step: int
    row: int
    column: int


@dataclass(frozen=True)
class NeighborPatch:
    """A patch, and how much it is like the one asked for."""

    place: PatchPlace
    # -1..1.
    cosine: float
    # Whether it is the same cell of the grid: then the position alone, which every encoding carries, may be what they share.
    same_cell: bool


def nearest_patches(
    encodings: Sequence[Float[np.ndarray, "_ row column embed"]],
    patch: PatchPlace,
    *,
    count: int = 8,
    without_position: bool = False,
    one_per: OnePer = "frame",
    other_episodes: bool = False,
) -> tuple[NeighborPatch, ...]:
    """Returns the patches whose encodings point most nearly the same way, the most alike first; never one of the same frame.

    Args:
      encodings: For each episode the encodings of its frames (step, row, column, embed), all of one layer and one grid.
      patch: Whose neighbours are wanted.
      count: How many at most.
      without_position: Subtract from each encoding the mean of its cell over all frames first, which takes away what a place
        always holds: its position embedding, and whatever stands there in every frame.
      one_per: List only the best patch of each "frame" or "episode", or every "patch".
      other_episodes: Only patches of other episodes.

    Raises:
      ValueError: If the patch does not exist, or grids or sizes differ.

    >>> frames = np.random.default_rng(0).normal(size=(3, 4, 4, 8))
    >>> frames[2, 1, 3] = 2 * frames[0, 0, 0]
    >>> nearest_patches([frames], PatchPlace(0, 0, 0, 0), count=1)[0].place
    PatchPlace(episode=0, step=2, row=1, column=3)
    """
    shapes = {each.shape[1:] for each in encodings}
    if len(shapes) != 1:
        raise ValueError(f"`encodings` must have one grid and one size in all episodes, got {sorted(shapes)}.")
    if not _holds(encodings, patch):
        held_shapes = [each.shape[:3] for each in encodings]
        raise ValueError(f"`patch` must lie in the encodings (step, row, column) {held_shapes}, got {patch}.")
    wanted = encodings[patch.episode][patch.step, patch.row, patch.column].astype(np.float64)
    mean = _cell_means(encodings) if without_position else np.zeros(shapes.pop())
    wanted = wanted - mean[patch.row, patch.column]
    neighbors: list[NeighborPatch] = []
    for episode, frames in enumerate(encodings):
        if other_episodes and episode == patch.episode:
            continue
        scores = cosine_to(frames - mean, wanted)
        if episode == patch.episode:
            scores[patch.step] = -np.inf
        neighbors += _best_of(scores, episode, patch, count=1 if one_per == "episode" else count, one_per=one_per)
    return tuple(sorted(neighbors, key=lambda neighbor: -neighbor.cosine)[:count])


def cosine_to(
    encodings: Float[np.ndarray, "*batch embed"], wanted: Float[np.ndarray, " embed"]
) -> Float[np.ndarray, "*batch"]:
    """Returns the cosine between each encoding and one vector, -1..1; 0 where one of them has no length.

    >>> cosine_to(np.array([[1.0, 0.0], [0.0, -2.0], [3.0, 3.0]]), np.array([0.0, 1.0])).round(3)
    array([ 0.   , -1.   ,  0.707])
    """
    lengths = np.linalg.norm(encodings, axis=-1) * np.linalg.norm(wanted)
    return np.asarray(encodings @ wanted / np.where(lengths > 0, lengths, np.inf), np.float64)


def _holds(encodings: Sequence[Float[np.ndarray, "_ row column embed"]], patch: PatchPlace) -> bool:
    if not 0 <= patch.episode < len(encodings):
        return False
    place = (patch.step, patch.row, patch.column)
    return all(0 <= at < size for at, size in zip(place, encodings[patch.episode].shape[:3], strict=True))


def _cell_means(encodings: Sequence[Float[np.ndarray, "_ row column embed"]]) -> Float[np.ndarray, "row column embed"]:
    frames = sum(len(each) for each in encodings)
    return np.sum([each.sum(axis=0, dtype=np.float64) for each in encodings], axis=0) / frames


def _best_of(
    scores: Float[np.ndarray, "step row column"],
    episode: int,
    patch: PatchPlace,
    *,
    count: int,
    one_per: OnePer,
) -> list[NeighborPatch]:
    best_scores = scores
    if one_per == "frame":
        flat = scores.reshape(len(scores), -1)
        best = np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]
        best_scores = np.where(best, flat, -np.inf).reshape(scores.shape)
    neighbors = []
    for flat in np.argsort(-best_scores, axis=None, kind="stable")[:count]:
        step, row, column = (int(place) for place in np.unravel_index(flat, best_scores.shape))
        if np.isfinite(best_scores[step, row, column]):
            same = (row, column) == (patch.row, patch.column)
            place = PatchPlace(episode, step, row, column)
            neighbors.append(NeighborPatch(place, float(best_scores[step, row, column]), same))
    return neighbors
