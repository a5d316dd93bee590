"""A line panel: curves over the steps of an episode, each with its label beside its end."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.label_places import label_places
from octoscope.render.lettering import draw_text, line_height, short_number, shortened, text_width
from octoscope.render.palette import INK, PAPER, QUIET_INK, RULE, Color
from octoscope.render.ticks import round_ticks

# Pillow's lines have steps in them: curves are drawn this much larger and shrunk.
_FINE = 4
_TITLE_SIZE, _TEXT_SIZE = 14, 12
_TOP, _BOTTOM, _LABEL_GAP = 26, 22, 8
_DASH, _DASH_GAP = 5, 4


@dataclasses.dataclass(frozen=True)
class Curve:
    """One curve of a panel."""

    # NaN where there is nothing: the curve breaks off.
    values: Float[np.ndarray, " step"]
    # Stands at the curve's end; "" for none.
    label: str = ""
    color: Color = INK
    # In pixels.
    width: float = 2.0
    dashed: bool = False
    # Ends of an interval around each value, a pale band; None for none.
    low: Float[np.ndarray, " step"] | None = None
    high: Float[np.ndarray, " step"] | None = None
    # Whether samples are marked where steps are samples.
    dots: bool = True


def render_line_panel(
    curves: Sequence[Curve],
    *,
    steps: Sequence[int | float],
    title: str,
    top: float,
    bottom: float = 0.0,
    x_label: str = "step",
    x_ticks: Sequence[int | float] = (),
    width: int = 330,
    height: int = 190,
    label_width: int = 0,
    sampled: bool = False,
) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """Draws curves on a linear scale from `bottom` to `top`, later curves over earlier ones.

    A curve breaks off where a step is NaN and where the run skips steps; a step without neighbours is a dot. Values outside the
    scale are not drawn: choose one that holds them all.

    Args:
      curves: From back to front.
      steps: Of the episode, rising, one for each value.
      title: Stands above.
      top: Upper end of the scale.
      bottom: Lower end of the scale.
      x_label: What the steps are.
      x_ticks: Numbers along the axis, rising; by default its two ends.
      width: Of the panel, in pixels.
      height: Of the panel, in pixels.
      label_width: Room for the labels at the right; by default what they need. Give panels of one page the same.
      sampled: The steps are samples: each is a dot, joined to the next however far apart they are.

    >>> curve = Curve(np.array([0.1, 0.3, 0.2]), "words")
    >>> render_line_panel([curve], steps=[0, 1, 2], title="share", top=0.3).shape
    (190, 330, 3)
    """
    ticks = round_ticks(bottom, top, most=5)
    room = label_width or max((text_width(c.label, _TEXT_SIZE) + _LABEL_GAP for c in curves if c.label), default=6)
    left = max(text_width(short_number(tick), _TEXT_SIZE) for tick in ticks) + 8
    plot = _Plot(
        left, _TOP, width - left - room - 2, height - _TOP - _BOTTOM, (float(steps[0]), float(steps[-1])), (bottom, top)
    )
    canvas = Image.new("RGB", (width, height), PAPER)
    draw_text(canvas, (0, 2), shortened(title, width=width, size=_TITLE_SIZE), size=_TITLE_SIZE)
    _draw_axes(canvas, plot, ticks)
    _draw_steps(canvas, plot, x_ticks, x_label)
    canvas.paste(_curves_picture(canvas, plot, curves, steps, sampled=sampled))
    _draw_labels(canvas, plot, curves, room)
    return np.asarray(canvas)


@dataclasses.dataclass(frozen=True)
class _Plot:
    """Where the plot lies on the panel, in pixels, and what its edges stand for."""

    left: int
    top: int
    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, step: float) -> float:
        first, last = self.x_range
        return self.left + (0.5 if first == last else (step - first) / (last - first)) * self.width

    def y(self, value: float) -> float:
        low, high = self.y_range
        # An axis of no length has everything at its end.
        return self.top + (high - value) / ((high - low) or 1.0) * self.height


def _draw_axes(canvas: Image.Image, plot: _Plot, ticks: Sequence[float]) -> None:
    draw = ImageDraw.Draw(canvas)
    for tick in ticks:
        y = round(plot.y(tick))
        draw.line((plot.left, y, plot.left + plot.width, y), fill=RULE)
        at = (plot.left - 5, y)
        draw_text(canvas, at, short_number(tick), size=_TEXT_SIZE, color=QUIET_INK, anchor="rm")


def _draw_steps(canvas: Image.Image, plot: _Plot, ticks: Sequence[int | float], x_label: str) -> None:
    first, last = plot.x_range
    if ticks:
        draw = ImageDraw.Draw(canvas)
        under = plot.top + plot.height
        # The last one says what they are, and ends where the axis does; a number that would run into it is left out.
        end = f"{ticks[-1]:g} {x_label}"
        free = round(plot.x(float(ticks[-1]))) - text_width(end, _TEXT_SIZE) - 6
        for tick in ticks:
            x = round(plot.x(float(tick)))
            draw.line((x, under, x, under + 3), fill=RULE)
            text, anchor = (end, "ra") if tick == ticks[-1] else (f"{tick:g}", "ma")
            if tick == ticks[-1] or x + text_width(text, _TEXT_SIZE) // 2 < free:
                draw_text(canvas, (x, under + 5), text, size=_TEXT_SIZE, color=QUIET_INK, anchor=anchor)
        return
    below = plot.top + plot.height + 5
    for step in (first, last) if first != last else (first,):
        anchor = "ma" if first == last else "la" if step == first else "ra"
        text = f"{x_label} {step:.0f}" if step == first else f"{step:.0f}"
        draw_text(canvas, (round(plot.x(step)), below), text, size=_TEXT_SIZE, color=QUIET_INK, anchor=anchor)


def _curves_picture(
    canvas: Image.Image, plot: _Plot, curves: Sequence[Curve], steps: Sequence[int | float], *, sampled: bool
) -> Image.Image:
    fine = canvas.resize((canvas.width * _FINE, canvas.height * _FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(fine)
    for curve in curves:
        _draw_band(draw, plot, curve, steps)
    for curve in curves:
        for piece in _pieces(curve, steps, sampled=sampled):
            points = [(plot.x(float(step)) * _FINE, plot.y(value) * _FINE) for step, value in piece]
            wide = max(1, round(curve.width * _FINE))
            for x, y in points if (sampled and curve.dots) or len(points) == 1 else []:
                radius = curve.width * _FINE
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=curve.color)
            for stroke in _strokes(points) if curve.dashed else [points]:
                if len(stroke) > 1:
                    draw.line(stroke, fill=curve.color, width=wide, joint="curve")
    return fine.resize(canvas.size, Image.Resampling.BOX)


def _draw_band(draw: ImageDraw.ImageDraw, plot: _Plot, curve: Curve, steps: Sequence[int | float]) -> None:
    if curve.low is None or curve.high is None:
        return
    known = ~np.isnan(curve.low) & ~np.isnan(curve.high)
    across = [plot.x(float(step)) * _FINE for step, inside in zip(steps, known, strict=True) if inside]
    if len(across) < 2:
        return
    # Bands may leave the scale, which holds the means.
    low, high = (np.clip(ends[known], *plot.y_range) for ends in (curve.low, curve.high))
    rim = [(x, plot.y(float(value)) * _FINE) for x, value in zip(across, high, strict=True)]
    rim += [(x, plot.y(float(value)) * _FINE) for x, value in zip(across[::-1], low[::-1], strict=True)]
    draw.polygon(
        rim, fill=tuple(round(0.2 * part + 0.8 * white) for part, white in zip(curve.color, PAPER, strict=True))
    )


def _pieces(curve: Curve, steps: Sequence[int | float], *, sampled: bool) -> list[list[tuple[int | float, float]]]:
    """Returns the unbroken pieces of a curve: without NaN, and, unless the steps are samples, without a skipped step."""
    apart = min((b - a for a, b in itertools.pairwise(steps)), default=1)
    pieces: list[list[tuple[int | float, float]]] = []
    before = None
    for step, value in zip(steps, curve.values, strict=True):
        if not np.isnan(value):
            if before is None or (step - before > apart and not sampled):
                pieces.append([])
            pieces[-1].append((step, float(value)))
        before = None if np.isnan(value) else step
    return pieces


def _strokes(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Returns the dashes of a polyline."""
    strokes: list[list[tuple[float, float]]] = []
    walked, period = 0.0, (_DASH + _DASH_GAP) * _FINE
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = float(np.hypot(x1 - x0, y1 - y0))
        start = -(walked % period)
        while start < length:
            low, high = max(0.0, start), min(length, start + _DASH * _FINE)
            if high > low:
                ends = [(x0 + (x1 - x0) * at / length, y0 + (y1 - y0) * at / length) for at in (low, high)]
                strokes.append(ends)
            start += period
        walked += length
    return strokes


def _draw_labels(canvas: Image.Image, plot: _Plot, curves: Sequence[Curve], room: int) -> None:
    labelled = []
    for curve in curves:
        known = curve.values[~np.isnan(curve.values)]
        if curve.label and len(known):
            labelled.append((plot.y(float(known[-1])), curve))
    labelled.sort(key=lambda pair: pair[0])
    low, high = float(plot.top), float(plot.top + plot.height)
    places = label_places([y for y, _ in labelled], gap=float(line_height(_TEXT_SIZE) - 2), low=low, high=high)
    for place, (_, curve) in zip(places, labelled, strict=True):
        text = shortened(curve.label, width=room - _LABEL_GAP + 2, size=_TEXT_SIZE)
        at = (plot.left + plot.width + _LABEL_GAP - 2, round(place))
        draw_text(canvas, at, text, size=_TEXT_SIZE, color=curve.color, anchor="lm")
