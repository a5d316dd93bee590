"""The fixed camera: where a point of the table-top appears in its picture."""

import numpy as np

from octoscope.array_typing import Float, Int

PRIMARY_SIZE, WRIST_SIZE = 128, 64
# Metres and degrees; the camera stands before the table, in the middle, and looks at FOCUS.
PRIMARY_PLACE = (0.0, -0.62, 0.66)
PRIMARY_FOCUS = (0.0, -0.005, 0.025)
PRIMARY_FIELD_OF_VIEW = 38.5


def camera_axes() -> Float[np.ndarray, "3 3"]:
    """Returns the camera's right, up and backward directions as rows, unit vectors in the table's frame."""
    backward = np.subtract(PRIMARY_PLACE, PRIMARY_FOCUS)
    backward = backward / np.linalg.norm(backward)
    right = np.array([1.0, 0.0, 0.0])
    return np.stack([right, np.cross(backward, right), backward])


def project(points: Float[np.ndarray, "*axes 3"]) -> Float[np.ndarray, "*axes 2"]:
    """Returns where points (metres) appear in the primary picture: column and row, from 0 to 1.

    The picture's upper left corner is (0, 0), its lower right corner (1, 1).

    >>> project(np.array(PRIMARY_FOCUS)).round(3)
    array([0.5, 0.5])
    """
    seen = (points - np.array(PRIMARY_PLACE)) @ camera_axes().T
    focal = 0.5 / np.tan(np.deg2rad(PRIMARY_FIELD_OF_VIEW) / 2)
    return 0.5 + focal * seen[..., :2] / -seen[..., 2:] * np.array([1.0, -1.0])


def patch_index(places: Float[np.ndarray, "*axes 2"], *, grid: int) -> Int[np.ndarray, "*axes"]:
    """Returns the patch, counted row by row, that holds each place of the picture; the nearest one if outside.

    Args:
      places: Column and row from 0 to 1, as `project` gives them.
      grid: Patches per side of the picture.
    """
    cell = np.clip((places * grid).astype(int), 0, grid - 1)
    return np.asarray(cell[..., 1] * grid + cell[..., 0])
