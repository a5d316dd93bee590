"""Lettering: text measured, shortened and wrapped, in the first of three faces that has its letters.

Aileron, which Pillow has built in, has English letters only; a text that needs more is set in Noto Sans, and Chinese, Japanese and Korean
letters in Noto Sans CJK (all cut down, in `fonts`). What none of them has is shown as code points, as [U+05D0], and `missing_letters` says
so: scripts that are written from right to left or whose letters join would be wrong when set letter by letter, and are among those.
"""

import bisect
import functools
import importlib.resources
import io
import itertools
import math
import unicodedata
from collections.abc import Iterable
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from octoscope.render.palette import INK, Color

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

Face = Literal["built-in", "letters", "cjk"]
FONT_FILES: dict[Face, str] = {
    "built-in": "Aileron-Letters.ttf",
    "letters": "NotoSans-Letters.ttf",
    "cjk": "NotoSansCJK-Letters.otf",
}
# "\u2581" opens a word in SentencePiece vocabularies.
_SUBSTITUTES = {
    "\N{LOWER ONE EIGHTH BLOCK}": "_",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LEFTWARDS ARROW}": "<-",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{BULLET}": "\N{MIDDLE DOT}",
}
_NO_CHARACTER = "\uffff"


@functools.lru_cache(maxsize=96)
def font(size: int, face: Face = "built-in") -> ImageFont.FreeTypeFont:
    """Returns a face at a size in pixels.

    >>> font(12).size
    12
    """
    # Letter by letter on every machine: whether Pillow can shape text depends on what else is installed.
    return ImageFont.truetype(io.BytesIO(_font_file(face)), size, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _font_file(face: Face) -> bytes:
    return importlib.resources.files("octoscope.render").joinpath("fonts", FONT_FILES[face]).read_bytes()


@functools.lru_cache(maxsize=4096)
def printable(text: str) -> str:
    """Returns the text with every character that no face has replaced by a look-alike, or by its code point.

    >>> printable("\\u2581pick caf\\u00e9 \\u2192 \\u4e2d \\u05d0\\u05d1") == "_pick caf\\u00e9 -> \\u4e2d [U+05D0 U+05D1]"
    True
    """
    parts: list[str] = []
    letters = map(_shown, unicodedata.normalize("NFC", text))
    for missing, run in itertools.groupby(letters, key=lambda letter: letter[1]):
        shown = [letter for letter, _ in run]
        parts.append(f"[{' '.join(shown)}]" if missing else "".join(shown))
    return "".join(parts)


def missing_letters(texts: Iterable[str]) -> list[str]:
    """Returns the line that a picture of these texts must carry where some letters are shown as code points; none where none are.

    >>> missing_letters(["pick it", "\\u05d0"])
    ['[U+05D0], ...: letters that no face of these pictures has (those written from right to left, or joined, among them)']
    """
    for text in texts:
        first = next((letter for letter, missing in map(_shown, unicodedata.normalize("NFC", text)) if missing), None)
        if first is not None:
            why = "letters that no face of these pictures has (those written from right to left, or joined, among them)"
            return [f"[{first}], ...: {why}"]
    return []


@functools.lru_cache(maxsize=8192)
def _shown(character: str) -> tuple[str, bool]:
    """Returns what is drawn for a character, and whether that is only its code point."""
    if character.isspace():
        return " ", False
    if _has("built-in", character):
        return character, False
    if character in _SUBSTITUTES:
        return _SUBSTITUTES[character], False
    if _has("letters", character) or _has("cjk", character):
        return character, False
    # The same letters in another form: ligatures, circled and wide ones.
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and all(_has("built-in", letter) or _has("letters", letter) for letter in plain):
        return plain, False
    return f"U+{ord(character):04X}", True


@functools.lru_cache(maxsize=8192)
def _has(face: Face, character: str) -> bool:
    if not character.isprintable():
        return False
    # FreeType draws the same box for every character that a font lacks.
    return _glyph(face, character) != _glyph(face, _NO_CHARACTER)


def _glyph(face: Face, character: str) -> bytes:
    canvas = Image.new("L", (32, 32))
    ImageDraw.Draw(canvas).text((8, 4), character, fill=255, font=font(16, face))
    return canvas.tobytes()


@functools.lru_cache(maxsize=4096)
def _runs(text: str) -> tuple[tuple[Face, str], ...]:
    """Returns a printable text cut where its face changes; one that needs Noto Sans is in it as far as it reaches."""
    if is_english(text):
        return (("built-in", text),)
    return tuple((face, "".join(run)) for face, run in itertools.groupby(text, key=_face))


def is_english(text: str) -> bool:
    """Returns whether Aileron has all of a printable text.

    >>> is_english("head 3"), is_english("caf\\u00e9")
    (True, False)
    """
    return all(character == " " or _has("built-in", character) for character in text)


def baseline_below(size: int, anchor: str) -> int:
    """Returns how many pixels the baseline lies below the anchor: a (ascender), m (middle) or s (the baseline itself).

    >>> baseline_below(12, "s")
    0
    """
    ascent, descent = font(size).getmetrics()
    return {"a": ascent, "m": (ascent - descent) // 2, "s": 0}[anchor]


def _face(character: str) -> Face:
    if character == " " or _has("letters", character):
        return "letters"
    return "built-in" if _has("built-in", character) else "cjk"


@functools.lru_cache(maxsize=8192)
def text_width(text: str, size: int) -> int:
    """Returns the width of one line in pixels.

    >>> text_width("head 11", 12) > text_width("head 1", 12) > 0
    True
    """
    return math.ceil(_length(printable(text), size))


def _length(text: str, size: int) -> float:
    return sum(font(size, face).getlength(run) for face, run in _runs(text))


def line_height(size: int) -> int:
    """Returns the distance from line to line in pixels.

    >>> line_height(12) > 12
    True
    """
    return round(size * 1.35)


def shortened(text: str, *, width: int, size: int) -> str:
    """Returns the text, cut with an ellipsis where it is wider than `width` pixels.

    >>> shortened("put the carrot on the plate", width=100, size=12)
    'put the carrot o\u2026'
    """
    if text_width(text, size) <= width:
        return text
    end = _most_letters(text, width=width, size=size, behind=ELLIPSIS) + 1
    while end > 0:
        candidate = text[:end].rstrip() + ELLIPSIS
        if text_width(candidate, size) <= width:
            return candidate
        end -= 1
    return ""


def _most_letters(text: str, *, width: int, size: int, behind: str = "") -> int:
    """Returns how many letters fit, give or take one: kerning may make the last step one letter too long."""
    # Halving, as a paragraph would take seconds letter by letter.
    return (
        bisect.bisect_right(range(len(text)), width, key=lambda letters: text_width(text[:letters] + behind, size)) - 1
    )


def wrapped(text: str, *, width: int, size: int, most_lines: int) -> list[str]:
    """Returns the text in lines no wider than `width` pixels; what does not fit into the last line ends in an ellipsis.

    A word that is wider than a line is broken, as Chinese and Japanese have no spaces.

    >>> wrapped("put the carrot on the plate", width=100, size=12, most_lines=2)
    ['put the carrot on', 'the plate']
    """
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most_lines - 1:
        taken = 1
        while taken < len(words) and text_width(" ".join(words[: taken + 1]), size) <= width:
            taken += 1
        line = " ".join(words[:taken])
        if text_width(line, size) > width:
            end = max(1, _most_letters(line, width=width, size=size))
            line, words[0] = line[:end], line[end:]
            taken = 0
        lines.append(line if text_width(line, size) <= width else "")
        words = words[taken:]
    if words:
        lines.append(shortened(" ".join(words), width=width, size=size))
    return lines


def draw_text(
    canvas: Image.Image, at: tuple[int, int], text: str, *, size: int, color: Color = INK, anchor: str = "la"
) -> None:
    """Writes one line of text into a canvas.

    Args:
      canvas: Painted in place.
      at: Where the anchor goes: x, y in pixels.
      text: One line.
      size: Of the letters, in pixels.
      color: RGB.
      anchor: Pillow's two letters: l, m or r; then a (ascender), m or s (baseline).

    >>> canvas = Image.new("RGB", (40, 20), "white")
    >>> draw_text(canvas, (2, 2), "head", size=12)
    >>> canvas.getextrema()[0][0] < 128
    True
    """
    mask, (left, top) = _letters(printable(text), size, anchor)
    canvas.paste(color, (at[0] + left, at[1] + top), mask)


@functools.lru_cache(maxsize=4096)
def _letters(text: str, size: int, anchor: str) -> tuple[Image.Image, tuple[int, int]]:
    """Returns how much each pixel is covered, and where the mask's corner lies from the anchor; a sheet says "head 3" many times."""
    runs = _runs(text)
    if any(face != "built-in" for face, _ in runs):
        return _mixed_letters(text, size, anchor)
    left, top, right, bottom = font(size).getbbox(text, anchor=anchor)
    corner = math.floor(left), math.floor(top)
    mask = Image.new("L", (max(1, math.ceil(right) - corner[0]), max(1, math.ceil(bottom) - corner[1])))
    ImageDraw.Draw(mask).text((-corner[0], -corner[1]), text, fill=255, font=font(size), anchor=anchor)
    return mask, corner


def _mixed_letters(text: str, size: int, anchor: str) -> tuple[Image.Image, tuple[int, int]]:
    """Returns the same for a text in other faces: on one baseline, which lies where the built-in font has it."""
    baseline = baseline_below(size, anchor[1])
    width = math.ceil(_length(text, size))
    start = {"l": 0, "m": -(width // 2), "r": -width}[anchor[0]]
    # Letters with two accents stand out of the built-in font's lines.
    above, below, beside = 2 * size, size, size // 2
    mask = Image.new("L", (width + 2 * beside, above + below))
    draw, x = ImageDraw.Draw(mask), float(beside)
    for face, run in _runs(text):
        draw.text((x, above), run, fill=255, font=font(size, face), anchor="ls")
        x += font(size, face).getlength(run)
    return mask, (start - beside, baseline - above)


def short_number(value: float) -> str:
    """Returns a number with two significant digits, as a tick or a note shows it.

    >>> [short_number(value) for value in (0.0, 0.03142, 0.5, 1.0, 12.3, 0.000021)]
    ['0', '0.031', '0.5', '1', '12', '2.1e-5']
    """
    text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    return text.replace("e-0", "e-").replace("e+0", "e")
