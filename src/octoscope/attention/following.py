"""Which maps follow something that moves: a map's centre of mass against a position, over the steps of an episode.

Two tracks over few steps correlate by chance, and more so when both drift slowly. So each correlation comes with its chance: how often
the same track, shifted in time around the episode, does as well.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.embedded.table_names import GRIPPER_ID, TABLE_DATASETS
from octoscope.runs.run import Run

# Dataset -> what its masks hold where they show the gripper. Of other datasets, nothing is known here.
_GRIPPER_IDS: Mapping[str, int] = MappingProxyType(dict.fromkeys(TABLE_DATASETS, GRIPPER_ID))


def track_correlation(
    track: Float[np.ndarray, "step *batch 2"], positions: Float[np.ndarray, "step 2"]
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Returns how tracks go with a position: the mean of Pearson's r in y and in x, and the chance of as much.

    The chance is the part of all shifts in time, the true one included, whose r is at least the true one's: never below 1 / steps.

    Args:
      track: Centres of mass (y, x).
      positions: Of what may be followed (y, x). Steps at which it is not known are NaN, and left out.

    Returns:
      r in -1..1, NaN where either stands still in y or in x, or fewer than 3 steps are known; and the chance in 0..1.

    >>> path = np.array([[0.0, 0.0], [1.0, 2.0], [4.0, 3.0], [2.0, 7.0]])
    >>> result, chance = track_correlation((2 * path)[:, None], path)
    >>> result, chance
    (array([1.]), array([0.25]))
    """
    there = ~np.isnan(positions).any(axis=-1)
    if there.sum() < 3:
        nothing = np.full(track.shape[1:-1], np.nan)
        return nothing, nothing.copy()
    track, positions = track[there], positions[there]
    shifted = np.stack([_mean_correlation(track, np.roll(positions, shift, axis=0)) for shift in range(len(positions))])
    correlation = np.asarray(shifted[0])
    # Rounding may put an equal r a hair below.
    as_good = (shifted >= correlation - 1e-12).mean(axis=0)
    return correlation, np.where(np.isnan(correlation), np.nan, as_good)


def motion_centers(
    frames: UInt8[np.ndarray, "step height width 3"], before: UInt8[np.ndarray, "step height width 3"]
) -> Float[np.ndarray, "step 2"]:
    """Returns where each frame changed against the one before: the centre (y, x) of the absolute difference, in pixels.

    It stands in for the gripper where nobody recorded where that is, and it is no more than a stand-in: a pushed object, a shadow
    and a moving wrist camera change frames too. NaN where nothing changed.

    Args:
      frames: RGB, 0..255.
      before: The frame before each of them.

    >>> black, dot = np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)
    >>> dot[0, 1, 3] = 255
    >>> motion_centers(dot, black)
    array([[1.5, 3.5]])
    """
    centers = np.full((len(frames), 2), np.nan)
    for step, (now, then) in enumerate(zip(frames, before, strict=True)):
        change = np.abs(now.astype(np.int16) - then).sum(axis=-1)
        total = change.sum()
        if total:
            rows, columns = np.arange(change.shape[0]) + 0.5, np.arange(change.shape[1]) + 0.5
            centers[step] = (change.sum(axis=1) @ rows / total, change.sum(axis=0) @ columns / total)
    return centers


def _mean_correlation(track: Float[np.ndarray, "step *batch 2"], positions: Float[np.ndarray, "step 2"]) -> np.ndarray:
    there = positions - positions.mean(axis=0)
    here = track - track.mean(axis=0)
    product = np.einsum("s...i,si->...i", here, there)
    lengths = np.sqrt((here**2).sum(axis=0) * (there**2).sum(axis=0))
    return (product / np.where(lengths > 1e-9, lengths, np.nan)).mean(axis=-1)


def gripper_positions(run: Run, camera: str) -> Float[np.ndarray, "step 2"] | None:
    """Returns the centre (y, x) of the gripper's pixels in the current frame of each step; None where no mask tells them.

    NaN at steps at which the gripper is out of sight. A wrist camera sees its own gripper nearly at one place: no map follows that.

    Args:
      run: The run.
      camera: Whose frames.
    """
    number = _GRIPPER_IDS.get(run.manifest.get("dataset", ""))
    if number is None or not run.has_masks(camera):
        return None
    centers = np.full((len(run.steps), 2), np.nan)
    for place, step in enumerate(run.steps):
        seen = np.argwhere(run.mask(camera, time=int(run.frame_index(step=step)[-1])) == number)
        if len(seen):
            centers[place] = seen.mean(axis=0) + 0.5
    return centers
