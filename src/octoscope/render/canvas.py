"""What a sheet is drawn on: our own pixels, which are fast, or the paper of a vector figure; both take the same strokes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import UInt8
from octoscope.render.lettering import draw_text
from octoscope.render.palette import INK, PAPER, Color

# Pixels, across and down from the top left corner.
Place = tuple[int | float, int | float]


@runtime_checkable
class Canvas(Protocol):
    """What can be drawn on."""

    def text(self, at: Place, text: str, *, size: int, color: Color = INK, anchor: str = "la") -> None:
        """Writes one line; the anchor is Pillow's."""

    def picture(self, at: Place, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Lays a picture down, pixel on pixel."""

    def line(self, points: Sequence[Place], *, color: Color) -> None:
        """Draws a line of one pixel."""

    def polygon(self, points: Sequence[Place], *, fill: Color) -> None:
        """Draws a filled polygon."""


class PixelCanvas:
    """A picture that grows.

    >>> canvas = PixelCanvas(40, 20)
    >>> canvas.text((2, 2), "head", size=12)
    >>> canvas.pixels().shape
    (20, 40, 3)
    """

    def __init__(self, width: int, height: int) -> None:
        """Begins with white paper."""
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(self, at: Place, text: str, *, size: int, color: Color = INK, anchor: str = "la") -> None:
        """Writes one line."""
        draw_text(self._image, (round(at[0]), round(at[1])), text, size=size, color=color, anchor=anchor)

    def picture(self, at: Place, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Lays a picture down."""
        self._image.paste(Image.fromarray(image), (round(at[0]), round(at[1])))

    def line(self, points: Sequence[Place], *, color: Color) -> None:
        """Draws a line of one pixel."""
        self._draw.line([(round(x), round(y)) for x, y in points], fill=color)

    def polygon(self, points: Sequence[Place], *, fill: Color) -> None:
        """Draws a filled polygon."""
        self._draw.polygon([(round(x), round(y)) for x, y in points], fill=fill)

    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """Returns what was drawn."""
        return np.asarray(self._image)
