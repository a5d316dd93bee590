"""The colour bar: which value a colour stands for."""

import dataclasses
import functools

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import UInt8
from octoscope.render.blend import blend_heat
from octoscope.render.color_scale import ColorScale
from octoscope.render.hatching import hatch_image
from octoscope.render.label_places import label_places
from octoscope.render.lettering import draw_text, line_height, short_number, wrapped
from octoscope.render.palette import INK, MARK, PAPER, QUIET_INK, RULE

BAR_IMAGE_WIDTH = 140
_BAR_WIDTH = 24
_TICK_X = _BAR_WIDTH + 6
_TEXT_X = _BAR_WIDTH + 14
_TEXT_SIZE = 12
_LABEL_LINES = 3
_CAP = 9
_SWATCH = 14


@functools.lru_cache(maxsize=128)
def render_color_bar(
    scale: ColorScale,
    *,
    label: str,
    height: int,
    uniform: float | None = None,
    above: bool = False,
    below: bool = False,
) -> UInt8[np.ndarray, "{height} 140 3"]:
    """Draws the bar to read an overlay by.

    * Upwards is the value; the colours are those of `render_overlay`, made by the same function.
    * From left to right the bar shows the same value over a dark and over a bright scene, since the scene shines through low values.
    * Ticks: lowest, middle and highest value of the scale, and in blue the uniform value. A uniform value outside the scale stands at
      its end and says so.
    * A triangle and ">" at the top: some values are higher than the scale reaches. Below, "<": some are lower.
    * The hatched square names the look of cells without data.

    The bar does not show how often each value occurs.

    Args:
      scale: From value to colour.
      label: What the values are; wrapped onto three lines at most.
      height: Of the whole picture, in pixels.
      uniform: What each value would be if attention were spread evenly: 1 / number of keys.
      above: Whether some drawn value lies above `scale.vmax`.
      below: Whether some drawn value lies below `scale.vmin`.

    Raises:
      ValueError: If `height` leaves no room for the bar.

    >>> render_color_bar(ColorScale(vmax=0.03), label="attention weight", height=240, uniform=1 / 690).shape
    (240, 140, 3)
    """
    top = _LABEL_LINES * line_height(_TEXT_SIZE) + _CAP + 6
    bottom = height - _CAP - 2 * line_height(_TEXT_SIZE) - 6
    if bottom - top < 60:
        raise ValueError(
            f"`height` must be at least {height + 60 - bottom + top} pixels for a readable bar, got {height}."
        )
    canvas = Image.new("RGB", (BAR_IMAGE_WIDTH, height), PAPER)
    for index, line in enumerate(wrapped(label, width=BAR_IMAGE_WIDTH, size=_TEXT_SIZE, most_lines=_LABEL_LINES)):
        draw_text(canvas, (0, index * line_height(_TEXT_SIZE)), line, size=_TEXT_SIZE)
    ImageDraw.Draw(canvas).rectangle((0, top - 1, _BAR_WIDTH + 1, bottom), outline=RULE)
    canvas.paste(_ramp(scale, bottom - top), (1, top))
    _draw_caps(canvas, top, bottom, above=above, below=below)
    _draw_ticks(canvas, top, bottom, _ticks(scale, uniform, above=above, below=below))
    canvas.paste(Image.fromarray(hatch_image(_SWATCH, _BAR_WIDTH)), (0, height - _SWATCH))
    draw_text(canvas, (_TEXT_X, height - _SWATCH // 2), "masked / no data", size=_TEXT_SIZE - 1, anchor="lm")
    # The bar of a layer is the same on all its sheets.
    bar = np.array(canvas)
    bar.flags.writeable = False
    return bar


@dataclasses.dataclass(frozen=True)
class _Tick:
    # Position on the scale, 0 at its lower end and 1 at its upper.
    fraction: float
    text: str
    color: tuple[int, int, int] = INK


def _ticks(scale: ColorScale, uniform: float | None, *, above: bool, below: bool) -> list[_Tick]:
    middle = (scale.vmin + scale.vmax) / 2
    ticks = [
        _Tick(0.0, ("< " if below else "") + short_number(scale.vmin)),
        _Tick(0.5, short_number(middle)),
        _Tick(1.0, ("> " if above else "") + short_number(scale.vmax)),
    ]
    if uniform is not None:
        fraction = (uniform - scale.vmin) / (scale.vmax - scale.vmin)
        beyond = "" if 0.0 <= fraction <= 1.0 else ", off scale"
        ticks.append(_Tick(min(max(fraction, 0.0), 1.0), f"{short_number(uniform)} uniform{beyond}", MARK))
    return sorted(ticks, key=lambda tick: -tick.fraction)


def _ramp(scale: ColorScale, height: int) -> Image.Image:
    # Pixel centres, so that the first and the last row lie just inside the scale.
    fractions = 1.0 - (np.arange(height) + 0.5) / height
    values = scale.vmin + (scale.vmax - scale.vmin) * np.repeat(fractions[:, None], _BAR_WIDTH, axis=1)
    grays = np.rint(np.linspace(0, 255, _BAR_WIDTH)).astype(np.uint8)
    return Image.fromarray(blend_heat(values, np.repeat(grays[None, :], height, axis=0), scale=scale))


def _draw_caps(canvas: Image.Image, top: int, bottom: int, *, above: bool, below: bool) -> None:
    draw = ImageDraw.Draw(canvas)
    middle = _BAR_WIDTH // 2
    if above:
        draw.polygon([(0, top - 3), (_BAR_WIDTH, top - 3), (middle, top - 3 - _CAP)], fill=INK)
    if below:
        draw.polygon([(0, bottom + 3), (_BAR_WIDTH, bottom + 3), (middle, bottom + 3 + _CAP)], fill=INK)


def _draw_ticks(canvas: Image.Image, top: int, bottom: int, ticks: list[_Tick]) -> None:
    draw = ImageDraw.Draw(canvas)
    marks = [bottom - 1 - tick.fraction * (bottom - 1 - top) for tick in ticks]
    places = label_places(marks, gap=float(line_height(_TEXT_SIZE)), low=float(top), high=float(bottom))
    for tick, mark, place in zip(ticks, marks, places, strict=True):
        if tick.color == MARK:
            draw.line((0, round(mark), _BAR_WIDTH, round(mark)), fill=MARK)
        draw.line((_BAR_WIDTH, round(mark), _TICK_X, round(mark)), fill=tick.color if tick.color == MARK else QUIET_INK)
        draw.line(
            (_TICK_X, round(mark), _TEXT_X - 4, round(place)), fill=tick.color if tick.color == MARK else QUIET_INK
        )
        draw_text(canvas, (_TEXT_X, round(place)), tick.text, size=_TEXT_SIZE, color=tick.color, anchor="lm")
