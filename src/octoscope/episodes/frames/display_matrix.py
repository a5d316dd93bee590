"""How a video file wants its frames turned: phones record sideways and say so in a matrix."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from octoscope.array_typing import UInt8
from octoscope.errors import EpisodeError


@dataclass(frozen=True)
class DisplayTurn:
    """A turn by quarters, or a mirroring: rows and columns are exchanged first, then rows reversed, then columns."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False


def display_turn(frame: av.VideoFrame, path: Path) -> DisplayTurn:
    """Returns how a frame is to be turned to be upright.

    Raises:
      EpisodeError: If the file asks for something other than quarter turns and mirroring.
    """
    if Type.DISPLAYMATRIX not in frame.side_data:
        return DisplayTurn()
    matrix: Any = frame.side_data[Type.DISPLAYMATRIX]  # pyright: ignore[reportGeneralTypeIssues]
    # Nine integers of 32 bits, row by row: x' = a x + c y, y' = b x + d y with a, b in the first row and c, d in the second.
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    if b == c == 0 and a and d:
        return DisplayTurn(rows_reversed=d < 0, columns_reversed=a < 0)
    if a == d == 0 and b and c:
        return DisplayTurn(transposed=True, rows_reversed=b < 0, columns_reversed=c < 0)
    raise EpisodeError(
        f"{path}: asks for frames turned by an odd angle. Encode it upright: ffmpeg -i {path.name} upright.mp4"
    )


def turn_frame(
    frame: UInt8[np.ndarray, "height width 3"], turn: DisplayTurn
) -> UInt8[np.ndarray, "turned_height turned_width 3"]:
    """Returns the frame as it is to be shown.

    >>> turn_frame(np.arange(18, dtype=np.uint8).reshape(3, 2, 3), DisplayTurn(transposed=True)).shape
    (2, 3, 3)
    """
    turned = frame.swapaxes(0, 1) if turn.transposed else frame
    turned = turned[::-1] if turn.rows_reversed else turned
    turned = turned[:, ::-1] if turn.columns_reversed else turned
    return np.ascontiguousarray(turned)
