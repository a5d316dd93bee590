"""The token matrix: who may look at whom among all tokens of a sequence."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Bool, Int, UInt8
from octoscope.render.hatching import hatch_strokes
from octoscope.render.label_places import label_places
from octoscope.render.lettering import (
    draw_rising_text,
    draw_text,
    line_height,
    missing_letters,
    shortened,
    text_width,
    wrapped,
)
from octoscope.render.palette import PAPER, QUIET_INK, RULE, Color, rgb_array

# After the colour-blind safe "bright" set of Paul Tol (https://personal.sron.nl/~pault/), paler for large areas.
_KIND_COLORS: dict[str, Color] = {
    "language": (86, 133, 184),
    "image": (92, 166, 118),
    "lowdim": (221, 170, 62),
    "readout": (204, 51, 68),
}
_OTHER_COLOR: Color = (120, 110, 140)
_FORBIDDEN: Color = (246, 246, 244)
_PADDED: Color = (222, 223, 226)
_PADDED_STROKE: Color = (168, 171, 177)
_BEST_SIDE = 1000
_MARGIN = 28
_TITLE_SIZE, _SUBTITLE_SIZE, _LABEL_SIZE = 21, 14, 13
# The coloured strip along each axis, and the room for the lines from strip to label.
_STRIP = 8
_LEADER = 26
_WIDEST_LABEL = 260
_AXIS_TITLE = 26
_SWATCH = 14
# Room for up to three lines of legend.
_LEGEND = 80
# A picture of few tokens still has room for its title and legend.
_LEAST_SIDE = 420


@dataclasses.dataclass(frozen=True)
class MatrixSpan:
    """Neighbouring tokens that belong together."""

    # E.g. "obs_primary t-1".
    label: str
    # Index of the first token.
    start: int
    # Number of tokens, at least 1.
    size: int
    # "language", "image", "lowdim" or "readout", which have colours of their own; anything else shares one.
    kind: str


def render_token_matrix(
    mask: Bool[np.ndarray, "query key"],
    *,
    spans: Sequence[MatrixSpan],
    title: str,
    subtitle: Sequence[str] = (),
    pad: Bool[np.ndarray, " key"] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws one square for each pair of tokens: a row is a token that looks, a column a token that may be looked at.

    * A filled square: the query of that row may attend to the key of that column. Its colour is the kind of the query's span.
    * Near-white: the attention rule forbids it.
    * Hatched grey: the rule would allow it, but the key is padding, so nobody attends to it.
    * Fine lines separate spans; they take no token's place. Coloured strips and labels name the spans, with their number of tokens in
      brackets; where spans are thin, a line leads from the strip to the label.

    Every token has the same integer number of pixels, so areas can be compared. The picture does not show how much attention flows, only
    where it can.

    Args:
      mask: True where the query (first axis) may attend to the key (second axis).
      spans: In order, covering each token once.
      title: One line.
      subtitle: Lines under the title, each wrapped onto three lines at most.
      pad: True where a key is padding, whatever `mask` says of it.

    Raises:
      ValueError: If `mask` is not square, or `spans` leave a gap or overlap.

    >>> spans = [MatrixSpan("task_language", 0, 16, "language"), MatrixSpan("readout_action t", 16, 1, "readout")]
    >>> picture = render_token_matrix(np.tri(17, dtype=bool), spans=spans, title="octo-small")
    >>> picture.dtype, picture.ndim
    (dtype('uint8'), 3)
    """
    _check_spans(mask, spans)
    subtitle = [*subtitle, *missing_letters([title, *subtitle])]
    page = _Page.around(spans, subtitle=subtitle, tokens=len(mask))
    canvas = Image.new("RGB", (page.width, page.height), PAPER)
    _draw_header(canvas, page, title)
    canvas.paste(Image.fromarray(_squares(mask, spans, pad, page.unit)), (page.left, page.top))
    _draw_query_labels(canvas, page, spans)
    _draw_key_labels(canvas, page, spans)
    _draw_legend(canvas, page, spans, padded=pad is not None and bool(pad.any()))
    return np.asarray(canvas)


@dataclasses.dataclass(frozen=True)
class _Page:
    """Where the parts of the picture stand, in pixels."""

    width: int
    height: int
    # The matrix's top left corner and side.
    left: int
    top: int
    side: int
    # Pixels a token.
    unit: int
    label_width: int
    subtitle: list[str]

    @classmethod
    def around(cls, spans: Sequence[MatrixSpan], *, subtitle: Sequence[str], tokens: int) -> "_Page":
        label_width = min(max(text_width(_span_text(span), _LABEL_SIZE) for span in spans), _WIDEST_LABEL)
        unit = _token_pixels(tokens)
        side = unit * tokens + len(spans) - 1
        before = _AXIS_TITLE + label_width + _LEADER + _STRIP
        left = _MARGIN + before
        width = left + max(side, _LEAST_SIDE) + _MARGIN
        room = width - 2 * _MARGIN
        lines = [line for text in subtitle for line in wrapped(text, width=room, size=_SUBTITLE_SIZE, most_lines=3)]
        top = _MARGIN + line_height(_TITLE_SIZE) + len(lines) * line_height(_SUBTITLE_SIZE) + 10 + before
        height = top + side + _LEGEND + _MARGIN
        return cls(width, height, left, top, side, unit, label_width, lines)


def _token_pixels(tokens: int) -> int:
    # The whole number by which the side comes closest to the best one in proportion: 690 tokens take 2 pixels, not 1.
    fewer = max(1, _BEST_SIDE // tokens)
    return fewer + 1 if _BEST_SIDE / tokens > math.sqrt(fewer * (fewer + 1)) else fewer


def _check_spans(mask: Bool[np.ndarray, "query key"], spans: Sequence[MatrixSpan]) -> None:
    if mask.shape[0] != mask.shape[1]:
        raise ValueError(f"`mask` must have as many queries as keys, got {mask.shape[0]} x {mask.shape[1]}.")
    end = 0
    for span in spans:
        if span.start != end or span.size < 1:
            raise ValueError(
                f"`spans` must cover each token once, in order: '{span.label}' must start at {end}, got {span}."
            )
        end += span.size
    if end != len(mask):
        raise ValueError(f"`spans` must cover all {len(mask)} tokens of `mask`, got spans of {end} tokens in all.")


def _span_text(span: MatrixSpan) -> str:
    return f"{span.label} ({span.size})"


def _kind_color(kind: str) -> Color:
    return _KIND_COLORS.get(kind, _OTHER_COLOR)


def _squares(
    mask: Bool[np.ndarray, "query key"],
    spans: Sequence[MatrixSpan],
    pad: Bool[np.ndarray, " key"] | None,
    unit: int,
) -> UInt8[np.ndarray, "side side 3"]:
    padded = np.zeros(len(mask), bool) if pad is None else pad
    colors = np.concatenate([np.tile(rgb_array(_kind_color(span.kind)), (span.size, 1)) for span in spans])
    token = _token_of_pixel(spans, unit)
    allowed = mask[np.ix_(token, token)]
    strokes = hatch_strokes(len(token), len(token))[..., None]
    hatched = np.where(strokes, rgb_array(_PADDED_STROKE), rgb_array(_PADDED))
    filled = np.where(padded[token][None, :, None], hatched, colors[token][:, None, :])
    picture = np.where(allowed[..., None], filled, rgb_array(_FORBIDDEN))
    line = token < 0
    return np.where((line[:, None] | line[None, :])[..., None], rgb_array(RULE), picture)


def _token_of_pixel(spans: Sequence[MatrixSpan], unit: int) -> Int[np.ndarray, " side"]:
    # -1 is the line between two spans.
    pieces = [np.append(np.repeat(np.arange(span.start, span.start + span.size), unit), -1) for span in spans]
    return np.concatenate(pieces)[:-1]


def _draw_header(canvas: Image.Image, page: _Page, title: str) -> None:
    one_line = shortened(title, width=page.width - 2 * _MARGIN, size=_TITLE_SIZE)
    draw_text(canvas, (_MARGIN, _MARGIN - 6), one_line, size=_TITLE_SIZE)
    top = _MARGIN - 2 + line_height(_TITLE_SIZE)
    for index, line in enumerate(page.subtitle):
        at = (_MARGIN, top + index * line_height(_SUBTITLE_SIZE))
        draw_text(canvas, at, line, size=_SUBTITLE_SIZE, color=QUIET_INK)


@dataclasses.dataclass(frozen=True)
class _SpanMark:
    """Where a span and its label stand along an axis, in pixels from the matrix's corner."""

    text: str
    color: Color
    first: int
    last: int
    label: int

    @property
    def middle(self) -> int:
        return (self.first + self.last) // 2


def _span_marks(page: _Page, spans: Sequence[MatrixSpan]) -> list[_SpanMark]:
    firsts = [span.start * page.unit + index for index, span in enumerate(spans)]
    lasts = [first + span.size * page.unit - 1 for first, span in zip(firsts, spans, strict=True)]
    middles = [(first + last) / 2 for first, last in zip(firsts, lasts, strict=True)]
    places = label_places(middles, gap=float(line_height(_LABEL_SIZE)), low=0.0, high=float(page.side))
    return [
        _SpanMark(
            shortened(_span_text(span), width=page.label_width, size=_LABEL_SIZE),
            _kind_color(span.kind),
            first,
            last,
            round(place),
        )
        for span, first, last, place in zip(spans, firsts, lasts, places, strict=True)
    ]


def _draw_query_labels(canvas: Image.Image, page: _Page, spans: Sequence[MatrixSpan]) -> None:
    draw = ImageDraw.Draw(canvas)
    strip = page.left - _STRIP
    for mark in _span_marks(page, spans):
        draw.rectangle((strip, page.top + mark.first, strip + _STRIP - 3, page.top + mark.last), fill=mark.color)
        middle, label = page.top + mark.middle, page.top + mark.label
        elbows = [(strip - 2, middle), (strip - 6, middle), (strip - _LEADER + 8, label), (strip - _LEADER + 4, label)]
        draw.line(elbows, fill=mark.color)
        draw_text(canvas, (strip - _LEADER, label), mark.text, size=_LABEL_SIZE, anchor="rm")
    at = (_MARGIN + line_height(_LABEL_SIZE) // 2, page.top + page.side)
    draw_rising_text(canvas, at, "query: the token that looks", size=_LABEL_SIZE, color=QUIET_INK)


def _draw_key_labels(canvas: Image.Image, page: _Page, spans: Sequence[MatrixSpan]) -> None:
    draw = ImageDraw.Draw(canvas)
    strip = page.top - _STRIP
    for mark in _span_marks(page, spans):
        draw.rectangle((page.left + mark.first, strip, page.left + mark.last, strip + _STRIP - 3), fill=mark.color)
        middle, label = page.left + mark.middle, page.left + mark.label
        elbows = [(middle, strip - 2), (middle, strip - 6), (label, strip - _LEADER + 8), (label, strip - _LEADER + 4)]
        draw.line(elbows, fill=mark.color)
        draw_rising_text(canvas, (label, strip - _LEADER), mark.text, size=_LABEL_SIZE)
    at = (page.left, strip - _LEADER - page.label_width - 8)
    draw_text(canvas, at, "key: the token looked at", size=_LABEL_SIZE, color=QUIET_INK, anchor="ls")


def _draw_legend(canvas: Image.Image, page: _Page, spans: Sequence[MatrixSpan], *, padded: bool) -> None:
    kinds = list(dict.fromkeys(span.kind for span in spans))
    entries = [(f"{kind} query may attend", _solid_swatch(_kind_color(kind))) for kind in kinds]
    entries.append(("forbidden", _solid_swatch(_FORBIDDEN)))
    if padded:
        entries.append(("padding key: nobody attends", _padded_swatch()))
    x, y = page.left, page.top + page.side + 18
    for text, swatch in entries:
        entry_width = _SWATCH + 6 + text_width(text, _LABEL_SIZE) + 20
        if x > page.left and x + entry_width > page.width - _MARGIN:
            x, y = page.left, y + line_height(_LABEL_SIZE) + 4
        canvas.paste(swatch, (x, y))
        draw_text(canvas, (x + _SWATCH + 6, y + _SWATCH // 2), text, size=_LABEL_SIZE, anchor="lm")
        x += entry_width


def _solid_swatch(color: Color) -> Image.Image:
    swatch = Image.new("RGB", (_SWATCH, _SWATCH), color)
    ImageDraw.Draw(swatch).rectangle((0, 0, _SWATCH - 1, _SWATCH - 1), outline=RULE)
    return swatch


def _padded_swatch() -> Image.Image:
    strokes = hatch_strokes(_SWATCH, _SWATCH)[..., None]
    return Image.fromarray(np.where(strokes, rgb_array(_PADDED_STROKE), rgb_array(_PADDED)))
