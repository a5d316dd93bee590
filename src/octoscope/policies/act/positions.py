"""Where a cell of a feature map lies, as sines and cosines of its row and column."""

import numpy as np
from jaxtyping import Float32

_TEMPERATURE = 10_000.0
_EPSILON = 1e-6


def grid_positions(rows: int, columns: int, dim: int) -> Float32[np.ndarray, "token embed"]:
    """Returns the position of each cell, row by row: the first half of the entries says the row, the second the column.

    The first row lies at 2 pi / rows and the last at 2 pi; sines and cosines alternate, from fast to slow.

    Args:
      rows: Of the map.
      columns: Of the map.
      dim: Entries of a token, a multiple of 4.

    >>> grid_positions(3, 4, 8).shape
    (12, 8)
    """
    row, column = _axis(rows, dim // 2), _axis(columns, dim // 2)
    whole = np.concatenate(
        [np.broadcast_to(row[:, None], (rows, columns, dim // 2)), np.broadcast_to(column, (rows, columns, dim // 2))],
        -1,
    )
    return whole.reshape(rows * columns, dim)


def _axis(count: int, dim: int) -> Float32[np.ndarray, "cell embed"]:
    places = np.arange(1, count + 1, dtype=np.float32) / np.float32(count + _EPSILON) * np.float32(2 * np.pi)
    periods = np.float32(_TEMPERATURE) ** (2 * np.arange(dim // 2, dtype=np.float32) / np.float32(dim))
    angles = places[:, None] / periods
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(count, dim)
