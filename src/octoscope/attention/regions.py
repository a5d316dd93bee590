"""How much of a map lies on a region of the frame, such as the object that the instruction names."""

import numpy as np

from octoscope.array_typing import Bool, Float, Float32, UInt8
from octoscope.attention.maps import AttentionMap
from octoscope.tokens.image_transform import Box


def patch_coverage(
    region: Bool[np.ndarray, "height width"], *, box: Box, grid: tuple[int, int]
) -> Float[np.ndarray, "row column"]:
    """Returns the share of each patch that the region covers, from 0 to 1; a patch without pixels is not covered.

    Args:
      region: True inside, one value per pixel of the frame as recorded.
      box: Where the patch grid lies on the frame: top, left, bottom, right in pixels.
      grid: Rows and columns of patches.

    >>> region = np.zeros((4, 8), bool)
    >>> region[:2, :3] = True
    >>> patch_coverage(region, box=(0.0, 0.0, 4.0, 8.0), grid=(2, 4))
    array([[1. , 0.5, 0. , 0. ],
           [0. , 0. , 0. , 0. ]])
    """
    rows, row_inside = _cells(region.shape[0], low=box[0], high=box[2], count=grid[0])
    columns, column_inside = _cells(region.shape[1], low=box[1], high=box[3], count=grid[1])
    inside = row_inside[:, None] & column_inside[None, :]
    cell = (rows[:, None] * grid[1] + columns[None, :])[inside]
    pixels = np.bincount(cell, minlength=grid[0] * grid[1])
    covered = np.bincount(cell, weights=region[inside], minlength=grid[0] * grid[1])
    return (covered / np.maximum(pixels, 1)).reshape(grid)


def object_coverage(
    masks: UInt8[np.ndarray, "step height width"], count: int, *, box: Box, grid: tuple[int, int]
) -> Float32[np.ndarray, "step object row column"]:
    """Returns what `patch_coverage` does, for the objects 0..count - 1, at all steps at once.

    >>> cover = object_coverage(np.array([[[0, 3], [0, 0]]], np.uint8), 4, box=(0.0, 0.0, 2.0, 2.0), grid=(1, 1))
    >>> cover.shape, cover[0, 3].tolist()
    ((1, 4, 1, 1), [[0.25]])
    """
    rows, row_inside = _cells(masks.shape[1], low=box[0], high=box[2], count=grid[0])
    columns, column_inside = _cells(masks.shape[2], low=box[1], high=box[3], count=grid[1])
    inside, cells = row_inside[:, None] & column_inside[None, :], grid[0] * grid[1]
    cell = (rows[:, None] * grid[1] + columns[None, :])[inside]
    covered = np.empty((len(masks), count, cells), np.float32)
    pixels = np.maximum(np.bincount(cell, minlength=cells), 1)
    for step, mask in enumerate(masks):
        numbered = mask[inside].astype(np.int64) * cells + cell
        covered[step] = np.bincount(numbered, minlength=256 * cells).reshape(256, cells)[:count] / pixels
    return covered.reshape(len(masks), count, *grid)


def share_on_region(
    attention_map: AttentionMap, region: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, " head"]:
    """Returns how much of each head's whole attention lies on the region, each patch counted by how much of it is covered.

    The region of one object at the size of a patch spreads over several patches, so even a perfect map gives less than 1.

    Args:
      attention_map: A map; its weights sum to the share of its frame.
      region: On the map's frame, as recorded.
    """
    coverage = patch_coverage(
        region, box=attention_map.box, grid=(attention_map.weights.shape[1], attention_map.weights.shape[2])
    )
    return (attention_map.weights * coverage).sum(axis=(1, 2))


def _cells(pixels: int, *, low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cell of each pixel's centre along one axis, and whether the centre lies on the grid."""
    position = (np.arange(pixels) + 0.5 - low) / (high - low) * count
    return np.clip(position.astype(int), 0, count - 1), (position >= 0) & (position < count)
