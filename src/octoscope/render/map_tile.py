"""One feature map in its own cells, with a title and the ends of its scale."""

import numpy as np
from PIL import Image

from octoscope.array_typing import Float, UInt8
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import draw_text, line_height, short_number, shortened
from octoscope.render.palette import PAPER, QUIET_INK

_SIZE = 12


def render_map_tile(
    values: Float[np.ndarray, "row column"], *, title: str, scale: ColorScale, width: int = 132
) -> UInt8[np.ndarray, "height {width} 3"]:
    """Draws every cell as a rectangle, below it the values of the scale's darkest and brightest colour.

    Args:
      values: The map; NaN is grey.
      title: One line above.
      scale: From value to colour.
      width: In pixels.

    >>> render_map_tile(np.eye(4), title="channel 3", scale=ColorScale(vmax=1.0)).shape
    (164, 132, 3)
    """
    rows, columns = values.shape
    line = line_height(_SIZE)
    high = max(1, round(width * rows / columns))
    canvas = Image.new("RGB", (width, high + 2 * line), PAPER)
    draw_text(canvas, (0, 0), shortened(title, width=width, size=_SIZE), size=_SIZE)
    picture = Image.fromarray(scale.colors(values)).resize((width, high), Image.Resampling.NEAREST)
    canvas.paste(picture, (0, line))
    below = line + high + 2
    draw_text(canvas, (0, below), short_number(scale.vmin), size=_SIZE - 1, color=QUIET_INK)
    draw_text(canvas, (width - 1, below), short_number(scale.vmax), size=_SIZE - 1, color=QUIET_INK, anchor="ra")
    return np.asarray(canvas)
