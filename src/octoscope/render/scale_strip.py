"""A scale strip: the colours of one scale from left to right, the values at its ends, and what they are."""

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import UInt8
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import draw_text, line_height, short_number, wrapped
from octoscope.render.palette import PAPER, QUIET_INK, RULE

_STRIP, _SIZE, _LINES = 14, 12, 4


def render_scale_strip(scale: ColorScale, *, label: str, width: int) -> UInt8[np.ndarray, "height {width} 3"]:
    """Draws the strip to read one tile by, where tiles have scales of their own.

    Args:
      scale: From value to colour.
      label: What the values are; wrapped onto four lines at most.
      width: In pixels.

    >>> render_scale_strip(ColorScale(vmax=0.03), label="weight", width=120).shape
    (100, 120, 3)
    """
    below = _STRIP + 4 + line_height(_SIZE)
    canvas = Image.new("RGB", (width, below + 2 + _LINES * line_height(_SIZE)), PAPER)
    ramp = scale.colors(np.linspace(scale.vmin, scale.vmax, width - 2)[None].repeat(_STRIP - 2, axis=0))
    ImageDraw.Draw(canvas).rectangle((0, 0, width - 1, _STRIP - 1), outline=RULE)
    canvas.paste(Image.fromarray(ramp), (1, 1))
    draw_text(canvas, (0, _STRIP + 3), short_number(scale.vmin), size=_SIZE)
    draw_text(canvas, (width - 1, _STRIP + 3), short_number(scale.vmax), size=_SIZE, anchor="ra")
    for place, line in enumerate(wrapped(label, width=width, size=_SIZE, most_lines=_LINES)):
        draw_text(canvas, (0, below + 2 + place * line_height(_SIZE)), line, size=_SIZE, color=QUIET_INK)
    return np.asarray(canvas)
