"""The frames of one window beside each other: how far the same cell's encoding moves from one timestep to the next, by depth."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.encodings.patch_labels import patch_coverages
from octoscope.tokens.image_transform import Box


@dataclass(frozen=True, eq=False)
class WindowChange:
    """How the encodings of a cell differ between two timesteps of the window; NaN where the earlier one is padding."""

    # Length of the difference over the mean length of both: 0 for the same, about 1.4 for two at right angles.
    relative: Float[np.ndarray, "depth step row column"]
    # -1..1.
    cosine: Float[np.ndarray, "depth step row column"]
    # The same of two patches at different places of one frame, mean over pairs: what being another patch altogether means.
    apart: Float[np.ndarray, " depth"]
    # Steps whose earlier timestep is padding, such as the first of an episode.
    padded: Bool[np.ndarray, " step"]

    def in_apart(self) -> Float[np.ndarray, "depth step row column"]:
        """Returns the change in units of the mean difference between two patches of one frame."""
        return self.relative / self.apart[:, None, None, None]


def window_change(
    encodings: Float[np.ndarray, "depth step window row column embed"],
    real: Bool[np.ndarray, "step window"],
    *,
    earlier: int = 0,
    later: int = -1,
) -> WindowChange:
    """Returns what changes from one frame of the window to another, cell by cell.

    At depth 0 the two differ by what moved in the picture and by the position embeddings of the two timesteps, the latter a constant for
    each cell: subtract the mean over steps to see the former alone.

    Args:
      encodings: Of one camera.
      real: False where a timestep is padded history: there nothing is compared.
      earlier: Place in the window.
      later: Place in the window.

    Raises:
      ValueError: If the window has no two timesteps.

    >>> encodings = np.zeros((1, 2, 2, 1, 2, 4)) + np.eye(2, 4)
    >>> change = window_change(encodings, np.array([[False, True], [True, True]]))
    >>> change.relative[0, :, 0].tolist()
    [[nan, nan], [0.0, 0.0]]
    """
    if encodings.shape[2] < 2:
        raise ValueError("`encodings` must hold two timesteps of the window or more, got 1: the policy sees one frame.")
    padded = ~(real[:, earlier] & real[:, later])
    before = encodings[:, :, earlier].astype(np.float64)
    now = encodings[:, :, later].astype(np.float64)
    before_length, now_length = np.linalg.norm(before, axis=-1), np.linalg.norm(now, axis=-1)
    relative = 2 * np.linalg.norm(now - before, axis=-1) / np.maximum(before_length + now_length, 1e-12)
    cosine = (now * before).sum(axis=-1) / np.maximum(before_length * now_length, 1e-12)
    relative[:, padded], cosine[:, padded] = np.nan, np.nan
    return WindowChange(relative, cosine, _apart(now), padded)


def _apart(encodings: Float[np.ndarray, "depth step row column embed"]) -> Float[np.ndarray, " depth"]:
    flat = encodings.reshape(*encodings.shape[:2], -1, encodings.shape[-1])
    lengths = np.linalg.norm(flat, axis=-1)
    squared = lengths[..., :, None] ** 2 + lengths[..., None, :] ** 2 - 2 * np.einsum("dspe,dsqe->dspq", flat, flat)
    relative = 2 * np.sqrt(squared.clip(min=0)) / np.maximum(lengths[..., :, None] + lengths[..., None, :], 1e-12)
    patches = flat.shape[2]
    return relative.sum(axis=(2, 3)).mean(axis=1) / max(1, patches * (patches - 1))


def moved_cells(
    before: UInt8[np.ndarray, "height width 3"],
    now: UInt8[np.ndarray, "height width 3"],
    *,
    box: Box,
    grid: tuple[int, int],
    least: int = 8,
) -> Bool[np.ndarray, "row column"]:
    """Returns the cells in which some pixel of the frame changed by `least` or more of 255 in some colour.

    >>> before, now = np.zeros((1, 4, 3), np.uint8), np.zeros((1, 4, 3), np.uint8)
    >>> now[0, 3, 1] = 9
    >>> moved_cells(before, now, box=(0.0, 0.0, 1.0, 4.0), grid=(1, 2))
    array([[False,  True]])
    """
    changed = np.abs(before.astype(np.int16) - now.astype(np.int16)).max(axis=-1) >= least
    return patch_coverages(changed[None].astype(int), box=box, grid=grid, count=2)[0, ..., 1] > 0


def relative_change(
    before: Float[np.ndarray, "*batch embed"], after: Float[np.ndarray, "*batch embed"]
) -> Float[np.ndarray, "*batch"]:
    """Returns how far encodings moved, over their length before: what an intervention did to each token.

    >>> relative_change(np.array([[3.0, 4.0]]), np.array([[3.0, 9.0]])).tolist()
    [1.0]
    """
    moved = np.linalg.norm(after.astype(np.float64) - before, axis=-1)
    return np.asarray(moved / np.maximum(np.linalg.norm(before.astype(np.float64), axis=-1), 1e-12))
