"""What lies under each patch, from masks that say what each pixel shows: the ground truth that probes are held against."""

from collections.abc import Mapping

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.tokens.image_transform import Box

# A patch that cannot be told: probes leave it out.
UNTOLD = -1
BACKGROUND = 0


def patch_coverages(
    masks: Int[np.ndarray, "time height width"], *, box: Box, grid: tuple[int, int], count: int
) -> Float[np.ndarray, "time row column number"]:
    """Returns which part of each patch each number of a mask covers, 0..1; a patch without pixels is covered by nothing.

    Args:
      masks: For each pixel the number of what it shows, 0..count - 1.
      box: Where the patch grid lies on the frame: top, left, bottom, right in pixels.
      grid: Rows and columns of patches.
      count: How many numbers there are.

    >>> mask = np.array([[[0, 1, 2, 2]]])
    >>> patch_coverages(mask, box=(0.0, 0.0, 1.0, 4.0), grid=(1, 2), count=3)[0, 0].tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    rows, row_inside = _cells(masks.shape[1], low=box[0], high=box[2], count=grid[0])
    columns, column_inside = _cells(masks.shape[2], low=box[1], high=box[3], count=grid[1])
    inside = row_inside[:, None] & column_inside[None, :]
    cell = (rows[:, None] * grid[1] + columns[None, :])[inside]
    size = grid[0] * grid[1] * count
    counts = np.stack([np.bincount(cell * count + mask[inside], minlength=size) for mask in masks.astype(np.int64)])
    counts = counts.reshape(len(masks), *grid, count)
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)


def largest_objects(
    coverages: Float[np.ndarray, "time row column number"], *, least: float = 0.25
) -> Int[np.ndarray, "time row column"]:
    """Returns the number of what covers most of each patch, apart from background.

    `BACKGROUND` where nothing else is seen at all, `UNTOLD` where something covers less than `least` of the patch: there it is neither.

    Args:
      coverages: From `patch_coverages`; number 0 is the background.
      least: Part of the patch that one thing must cover, 0..1.

    >>> largest_objects(np.array([[[[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]]]]))[0, 0].tolist()
    [0, -1, 1]
    """
    things = coverages[..., 1:]
    largest = things.argmax(axis=-1) + 1
    enough = things.max(axis=-1, initial=0.0) >= least
    nothing = things.sum(axis=-1) == 0
    return np.where(enough, largest, np.where(nothing, BACKGROUND, UNTOLD))


def probe_labels(
    things: Int[np.ndarray, "time row column"],
    *,
    objects: int,
    named: Int[np.ndarray, " time"],
    kinds: Mapping[str, Int[np.ndarray, "time object"]] | None = None,
) -> dict[str, Int[np.ndarray, "time row column"]]:
    """Returns the labels that probes are asked for, each `UNTOLD` where the question does not arise.

    * "thing": 0 background, 1 any object, 2 gripper or arm.
    * "named": of patches that show an object, whether it is the one that the instruction names (1) or another (0).
    * one for each of `kinds`, of patches that show an object: its colour, its shape.

    Args:
      things: From `largest_objects`: 0 background, 1.. objects, beyond them gripper and arm.
      objects: How many objects there are.
      named: The number of the object that the instruction names, at each time; 0 for none.
      kinds: What each object is, in the order of their numbers, such as `{"color": episode.extras["object_color"]}`.

    >>> labels = probe_labels(np.array([[[0, 1, 2, 3]]]), objects=2, named=np.array([2]), kinds={"color": np.array([[4, 5]])})
    >>> [labels[name][0, 0].tolist() for name in ("thing", "named", "color")]
    [[0, 1, 1, 2], [-1, 0, 1, -1], [-1, 4, 5, -1]]
    """
    is_object = (things > 0) & (things <= objects)
    thing = np.where(things > objects, 2, np.where(is_object, 1, things))
    asked = is_object & (named > 0)[:, None, None]
    labels = {"thing": thing, "named": np.where(asked, (things == named[:, None, None]).astype(int), UNTOLD)}
    index = np.clip(things - 1, 0, objects - 1).reshape(len(things), -1)
    for name, kind in (kinds or {}).items():
        told = np.take_along_axis(kind.astype(np.int64), index, axis=1).reshape(things.shape)
        labels[name] = np.where(is_object, told, UNTOLD)
    return labels


def _cells(pixels: int, *, low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cell of each pixel's centre along one axis, and whether the centre lies on the grid."""
    position = (np.arange(pixels) + 0.5 - low) / (high - low) * count
    return np.clip(position.astype(int), 0, count - 1), (position >= 0) & (position < count)
