"""A depth panel: numbers by named depth, with intervals where they are known, and a dot for each head or the like behind."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.label_places import label_places
from octoscope.render.lettering import draw_text, line_height, short_number, shortened, text_width, wrapped
from octoscope.render.palette import INK, PAPER, QUIET_INK, RULE, Color
from octoscope.render.ticks import round_ticks

# Pillow's lines have steps in them: marks are drawn this much larger and shrunk.
_FINE = 4
_TITLE_SIZE, _TEXT_SIZE, _NOTE_SIZE = 14, 12, 11
_BELOW, _LABEL_GAP, _RADIUS, _DOT = 22, 10, 3.5, 2.2
_DOT_COLOR: Color = (186, 191, 200)
_DASH = 6


@dataclasses.dataclass(frozen=True)
class DepthSeries:
    """One line of a panel."""

    # NaN where there is nothing.
    values: Float[np.ndarray, " depth"]
    # Stands at the line's end; "" for none.
    label: str = ""
    color: Color = INK
    # Ends of the interval of each value; None for no intervals.
    low: Float[np.ndarray, " depth"] | None = None
    high: Float[np.ndarray, " depth"] | None = None
    dashed: bool = False
    # Draw a dot at each depth.
    dotted: bool = True


def render_depth_panel(
    series: Sequence[DepthSeries],
    *,
    depths: Sequence[str],
    title: str,
    top: float,
    bottom: float = 0.0,
    dots: Float[np.ndarray, "depth head"] | None = None,
    note: str = "",
    width: int = 400,
    height: int = 230,
    label_width: int = 0,
) -> UInt8[np.ndarray, "_ {width} 3"]:
    """Draws lines over depths on a linear scale from `bottom` to `top`, later lines over earlier ones.

    A vertical stroke through a dot is its interval. Values outside the scale are not drawn: choose one that holds them all.

    Args:
      series: From back to front.
      depths: Names, from the input on; only as many are written as have room.
      title: Stands above, on one line.
      top: Upper end of the scale.
      bottom: Lower end of the scale.
      dots: Small grey dots behind the lines, such as one for each head.
      note: Wrapped under the panel, three lines at most.
      width: Of the panel, in pixels.
      height: Of the panel without the note, in pixels.
      label_width: Room for the labels at the right; by default what they need. Give panels of one page the same.

    >>> series = DepthSeries(np.array([0.5, 0.9]), "read", low=np.array([0.4, 0.8]), high=np.array([0.6, 1.0]))
    >>> render_depth_panel([series], depths=["input", "block 0"], title="named", top=1.0).shape
    (230, 400, 3)
    """
    ticks = round_ticks(bottom, top, most=6)
    room = label_width or max((text_width(each.label, _TEXT_SIZE) + _LABEL_GAP for each in series), default=6)
    left = max(text_width(short_number(tick), _TEXT_SIZE) for tick in ticks) + 10
    above = line_height(_TITLE_SIZE) + 12
    plot = _Plot(left, above, width - left - room - 4, height - above - _BELOW, len(depths), (bottom, top))
    notes = wrapped(note, width=width, size=_NOTE_SIZE, most_lines=3) if note else []
    canvas = Image.new("RGB", (width, height + len(notes) * line_height(_NOTE_SIZE)), PAPER)
    draw_text(canvas, (0, 2), shortened(title, width=width, size=_TITLE_SIZE), size=_TITLE_SIZE)
    _draw_axes(canvas, plot, ticks, depths)
    canvas.paste(_marks_picture(canvas, plot, series, dots))
    _draw_labels(canvas, plot, series, room)
    for index, line in enumerate(notes):
        draw_text(canvas, (0, height + index * line_height(_NOTE_SIZE)), line, size=_NOTE_SIZE, color=QUIET_INK)
    return np.asarray(canvas)


@dataclasses.dataclass(frozen=True)
class _Plot:
    """Where the plot lies on the panel, in pixels, and what its edges stand for."""

    left: int
    top: int
    width: int
    height: int
    depths: int
    y_range: tuple[float, float]

    def x(self, depth: int) -> float:
        return self.left + (depth + 0.5) * self.width / self.depths

    def y(self, value: float) -> float:
        low, high = self.y_range
        # An axis of no length has everything at its end.
        return self.top + (high - value) / ((high - low) or 1.0) * self.height


def _draw_axes(canvas: Image.Image, plot: _Plot, ticks: Sequence[float], depths: Sequence[str]) -> None:
    draw = ImageDraw.Draw(canvas)
    for tick in ticks:
        y = round(plot.y(tick))
        draw.line((plot.left, y, plot.left + plot.width, y), fill=RULE)
        draw_text(canvas, (plot.left - 6, y), short_number(tick), size=_TEXT_SIZE, color=QUIET_INK, anchor="rm")
    written = -1e9
    for depth, name in enumerate(depths):
        half = text_width(name, _TEXT_SIZE) / 2
        if plot.x(depth) - half > written + 8:
            at = (round(plot.x(depth)), plot.top + plot.height + 6)
            draw_text(canvas, at, name, size=_TEXT_SIZE, color=QUIET_INK, anchor="ma")
            written = plot.x(depth) + half


def _marks_picture(
    canvas: Image.Image, plot: _Plot, series: Sequence[DepthSeries], dots: Float[np.ndarray, "depth head"] | None
) -> Image.Image:
    fine = canvas.resize((canvas.width * _FINE, canvas.height * _FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(fine)
    for depth, values in enumerate([] if dots is None else dots):
        # Side by side, so that heads of one value do not hide each other.
        shifts = np.linspace(-0.16, 0.16, len(values)) * plot.width / plot.depths if len(values) > 1 else [0.0]
        for shift, value in zip(shifts, values, strict=True):
            if not np.isnan(value):
                _dot(draw, plot.x(depth) + shift, plot.y(float(value)), _DOT, _DOT_COLOR)
    for each in series:
        known = [depth for depth in range(plot.depths) if not np.isnan(each.values[depth])]
        points = [(plot.x(depth), plot.y(float(each.values[depth]))) for depth in known]
        for start, end in itertools.pairwise(points):
            _line(draw, start, end, each.color, dashed=each.dashed)
        for depth, point in zip(known, points, strict=True):
            if each.low is not None and each.high is not None and not np.isnan(each.low[depth]):
                ends = (point[0], plot.y(float(each.low[depth]))), (point[0], plot.y(float(each.high[depth])))
                _line(draw, *ends, each.color, dashed=False, wide=1.5)
            if each.dotted or len(points) == 1:
                _dot(draw, *point, _RADIUS, each.color)
    return fine.resize(canvas.size, Image.Resampling.BOX)


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: Color) -> None:
    draw.ellipse([(x - radius) * _FINE, (y - radius) * _FINE, (x + radius) * _FINE, (y + radius) * _FINE], fill=color)


def _line(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    color: Color,
    *,
    dashed: bool,
    wide: float = 2.0,
) -> None:
    (x0, y0), (x1, y1) = start, end
    length = float(np.hypot(x1 - x0, y1 - y0))
    # An even number: a dash that ended one segment would run into the first of the next.
    pieces = 2 * max(1, round(length / _DASH / 2)) if dashed else 1
    for piece in range(0, pieces, 2):
        low, high = piece / pieces, (piece + 1) / pieces
        ends = [(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at) for at in (low, high)]
        draw.line([(x * _FINE, y * _FINE) for x, y in ends], fill=color, width=round(wide * _FINE))


def _draw_labels(canvas: Image.Image, plot: _Plot, series: Sequence[DepthSeries], room: int) -> None:
    labelled = []
    for each in series:
        known = each.values[~np.isnan(each.values)]
        if each.label and len(known):
            labelled.append((plot.y(float(known[-1])), each))
    labelled.sort(key=lambda pair: pair[0])
    low, high = float(plot.top), float(plot.top + plot.height)
    places = label_places([y for y, _ in labelled], gap=float(line_height(_TEXT_SIZE) - 1), low=low, high=high)
    for place, (_, each) in zip(places, labelled, strict=True):
        text = shortened(each.label, width=room - _LABEL_GAP + 2, size=_TEXT_SIZE)
        at = (plot.left + plot.width + _LABEL_GAP - 2, round(place))
        draw_text(canvas, at, text, size=_TEXT_SIZE, color=each.color, anchor="lm")
