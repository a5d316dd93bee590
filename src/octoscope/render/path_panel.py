"""A path panel: points that move through a plane from stage to stage, each path labelled at the right."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.label_places import label_places
from octoscope.render.lettering import draw_text, line_height, shortened, text_width
from octoscope.render.palette import INK, PAPER, QUIET_INK, RULE, Color

# Pillow's lines have steps in them: paths are drawn this much larger and shrunk.
_FINE = 4
_TITLE_SIZE, _TEXT_SIZE, _STAGE_SIZE = 14, 12, 11
_TOP, _BOTTOM, _LEFT, _LABEL_GAP, _INSET = 26, 20, 4, 22, 16
# Told apart also by most who see fewer colours. Wong, "Points of view: Color blindness", Nature Methods 2011.
PATH_COLORS: tuple[Color, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (150, 110, 0),
    (86, 180, 233),
    (70, 72, 80),
    (140, 20, 60),
)


@dataclasses.dataclass(frozen=True)
class PlanePath:
    """One path of a panel."""

    points: Float[np.ndarray, "stage 2"]
    label: str
    color: Color
    # Squares on dashes instead of dots on a line: for more paths than there are colours.
    square: bool = False


def render_path_panel(
    paths: Sequence[PlanePath],
    *,
    stages: Sequence[str] | None,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 520,
    height: int = 380,
) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """Draws paths in a plane, both axes to one scale, so that distances on paper are distances in the plane.

    A ring is where a path begins, small dots are its stages, the large dot is its end; a dotted line leads to its label. Grey letters
    name the stages, each beside a dot of that stage; one that finds no room beside any is left out.

    Args:
      paths: With as many points as there are stages.
      stages: Names of the points; None leaves them out.
      title: Stands above.
      x_label: Under the plot, at the left: what the horizontal axis is.
      y_label: Under the plot, at the right: what the vertical axis is.
      width: Of the panel, in pixels.
      height: Of the panel, in pixels.

    >>> path = PlanePath(np.array([[0.0, 0.0], [1.0, 2.0]]), "cube", PATH_COLORS[0])
    >>> render_path_panel([path], stages=["first", "last"], title="", x_label="", y_label="").shape
    (380, 520, 3)
    """
    room = max(text_width(path.label, _TEXT_SIZE) for path in paths) + _LABEL_GAP
    box = (_LEFT, _TOP, width - _LEFT - min(room, width // 3), height - _TOP - _BOTTOM)
    plane = _Plane.around(np.concatenate([path.points for path in paths]), box)
    canvas = Image.new("RGB", (width, height), PAPER)
    draw_text(canvas, (0, 2), shortened(title, width=width, size=_TITLE_SIZE), size=_TITLE_SIZE)
    ImageDraw.Draw(canvas).rectangle((box[0], box[1], box[0] + box[2], box[1] + box[3]), outline=RULE)
    fine = _draw_paths(canvas, plane, paths)
    canvas.paste(fine)
    if stages is not None:
        _draw_stages(canvas, plane, paths, stages, box)
    _draw_labels(canvas, plane, paths, box)
    below = box[1] + box[3] + 4
    draw_text(canvas, (box[0], below), x_label, size=_STAGE_SIZE, color=QUIET_INK)
    draw_text(canvas, (box[0] + box[2], below), y_label, size=_STAGE_SIZE, color=QUIET_INK, anchor="ra")
    return np.asarray(canvas)


@dataclasses.dataclass(frozen=True)
class _Plane:
    """Where points of the plane lie on the panel."""

    center: tuple[float, float]
    middle: tuple[float, float]
    pixels_per_unit: float

    @classmethod
    def around(cls, points: Float[np.ndarray, "many 2"], box: tuple[int, int, int, int]) -> "_Plane":
        low, high = points.min(axis=0), points.max(axis=0)
        extent = np.maximum(high - low, 1e-9)
        room = np.array([box[2] - 2 * _INSET, box[3] - 2 * _INSET])
        center = (low + high) / 2
        return cls(
            (float(center[0]), float(center[1])),
            (box[0] + box[2] / 2, box[1] + box[3] / 2),
            float((room / extent).min()),
        )

    def at(self, point: Float[np.ndarray, " 2"]) -> tuple[float, float]:
        x = self.middle[0] + (float(point[0]) - self.center[0]) * self.pixels_per_unit
        return x, self.middle[1] - (float(point[1]) - self.center[1]) * self.pixels_per_unit


def _draw_paths(canvas: Image.Image, plane: _Plane, paths: Sequence[PlanePath]) -> Image.Image:
    fine = canvas.resize((canvas.width * _FINE, canvas.height * _FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(fine)
    for path in paths:
        places = [(_FINE * x, _FINE * y) for x, y in (plane.at(point) for point in path.points)]
        pale = (path.color[0] // 2 + 127, path.color[1] // 2 + 127, path.color[2] // 2 + 127)
        if path.square:
            for stroke in _strokes(places):
                draw.line(stroke, fill=pale, width=round(1.5 * _FINE))
        else:
            draw.line(places, fill=pale, width=round(1.5 * _FINE), joint="curve")
        for index, (x, y) in enumerate(places):
            first, last = index == 0, index == len(places) - 1
            radius = (5.0 if last else 4.5 if first else 2.5) * _FINE
            spot = (x - radius, y - radius, x + radius, y + radius)
            mark = draw.rectangle if path.square else draw.ellipse
            mark(spot, fill=PAPER if first and not last else path.color, outline=path.color, width=2 * _FINE)
    return fine.resize(canvas.size, Image.Resampling.BOX)


def _strokes(places: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Returns the dashes of a polyline, each of its pieces cut anew."""
    strokes: list[list[tuple[float, float]]] = []
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        length = float(np.hypot(x1 - x0, y1 - y0))
        for start in np.arange(0.0, length, 9.0 * _FINE):
            ends = (start / length, min(start + 5.0 * _FINE, length) / length)
            strokes.append([(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at) for at in ends])
    return strokes


def _draw_stages(
    canvas: Image.Image,
    plane: _Plane,
    paths: Sequence[PlanePath],
    stages: Sequence[str],
    box: tuple[int, int, int, int],
) -> None:
    """Writes each stage beside one of its dots, where it covers no dot and no other name."""
    dots = np.array([[plane.at(point) for point in path.points] for path in paths])
    taken: list[tuple[float, float, float, float]] = []
    for index, stage in enumerate(stages):
        wide, high = float(text_width(stage, _STAGE_SIZE)), line_height(_STAGE_SIZE) - 3.0
        # From the outermost dot inwards, above it first.
        for path in np.argsort(dots[:, index, 1], kind="stable"):
            x, y = (float(part) for part in dots[path, index])
            sides = (
                (x - wide / 2, y - 8 - high),
                (x - wide / 2, y + 8),
                (x - 9 - wide, y - high / 2),
                (x + 9, y - high / 2),
            )
            area = next((area for area in _areas(sides, wide, high) if _is_free(area, box, dots, taken)), None)
            if area is not None:
                taken.append(area)
                draw_text(canvas, (round(area[0]), round(area[1])), stage, size=_STAGE_SIZE, color=QUIET_INK)
                break


def _areas(corners: Sequence[tuple[float, float]], wide: float, high: float) -> list[tuple[float, float, float, float]]:
    return [(left, top, left + wide, top + high) for left, top in corners]


def _is_free(
    area: tuple[float, float, float, float],
    box: tuple[int, int, int, int],
    dots: Float[np.ndarray, "path stage 2"],
    taken: Sequence[tuple[float, float, float, float]],
) -> bool:
    left, top, right, bottom = area
    if left < box[0] + 2 or right > box[0] + box[2] - 2 or top < box[1] + 2 or bottom > box[1] + box[3] - 2:
        return False
    x, y = dots[..., 0], dots[..., 1]
    if ((x > left - 4) & (x < right + 4) & (y > top - 4) & (y < bottom + 4)).any():
        return False
    return not any(left < a[2] + 4 and right > a[0] - 4 and top < a[3] + 2 and bottom > a[1] - 2 for a in taken)


def _draw_labels(
    canvas: Image.Image, plane: _Plane, paths: Sequence[PlanePath], box: tuple[int, int, int, int]
) -> None:
    ends = sorted(((plane.at(path.points[-1]), path) for path in paths), key=lambda pair: pair[0][1])
    low, high = float(box[1] + 6), float(box[1] + box[3] - 6)
    gap = float(line_height(_TEXT_SIZE) - 1)
    places = label_places([y for (_, y), _ in ends], gap=gap, low=low, high=high)
    draw = ImageDraw.Draw(canvas)
    right = box[0] + box[2]
    room = canvas.width - right - 8
    for place, ((x, y), path) in zip(places, ends, strict=True):
        _draw_dots(draw, (x + 9, y), (float(right), place), path.color)
        text = shortened(path.label, width=room, size=_TEXT_SIZE)
        draw_text(canvas, (right + 5, round(place)), text, size=_TEXT_SIZE, color=path.color or INK, anchor="lm")


def _draw_dots(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], color: Color) -> None:
    """Draws a dotted line, so that nobody takes it for a path."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    for walked in np.arange(0.0, length, 5.0):
        at = [start[axis] + (end[axis] - start[axis]) * walked / length for axis in (0, 1)]
        draw.point((round(at[0]), round(at[1])), fill=color)
