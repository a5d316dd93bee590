"""Lettering: text in Pillow's built-in font, measured, shortened, wrapped and turned.

The built-in font (Aileron) has Latin letters only. A character it lacks is replaced by something that reads alike, or by "?", rather
than by an empty box of another width.
"""

import bisect
import functools
import math
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from octoscope.render.palette import INK, PAPER, Color

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

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
    "\N{NO-BREAK SPACE}": " ",
    "\N{BULLET}": "\N{MIDDLE DOT}",
    "\N{LATIN SMALL LETTER SHARP S}": "ss",
}
_NO_CHARACTER = "\uffff"


@functools.lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Returns the built-in font at a size in pixels.

    >>> font(12).size
    12
    """
    built_in = ImageFont.load_default(size)
    assert isinstance(built_in, ImageFont.FreeTypeFont), "Pillow wheels are built with FreeType"
    return built_in


@functools.lru_cache(maxsize=1024)
def printable(text: str) -> str:
    """Returns the text with every character that the font lacks replaced by a look-alike or "?".

    >>> printable("\\u2581pick caf\\u00e9 \\u2192 \\u4e2d")
    '_pick cafe -> ?'
    """
    return "".join(_printable_character(character) for character in unicodedata.normalize("NFC", text))


@functools.lru_cache(maxsize=1024)
def _printable_character(character: str) -> str:
    if character.isspace():
        return " "
    if _in_font(character):
        return character
    base = unicodedata.normalize("NFKD", character)[0]
    return _SUBSTITUTES.get(character) or (base if _in_font(base) else "?")


def _in_font(character: str) -> bool:
    if not character.isprintable():
        return False
    # FreeType draws the same box for every character that a font lacks.
    return _glyph(character) != _glyph(_NO_CHARACTER)


def _glyph(character: str) -> bytes:
    canvas = Image.new("L", (32, 32))
    ImageDraw.Draw(canvas).text((8, 4), character, fill=255, font=font(16))
    return canvas.tobytes()


@functools.lru_cache(maxsize=8192)
def text_width(text: str, size: int) -> int:
    """Returns the width of one line in pixels.

    >>> text_width("head 11", 12) > text_width("head 1", 12) > 0
    True
    """
    return math.ceil(font(size).getlength(printable(text)))


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
    # Halving, as a paragraph would take seconds letter by letter; kerning may make the last step one letter too long.
    end = bisect.bisect_right(range(len(text)), width, key=lambda letters: text_width(text[:letters] + ELLIPSIS, size))
    while end > 0:
        candidate = text[:end].rstrip() + ELLIPSIS
        if text_width(candidate, size) <= width:
            return candidate
        end -= 1
    return ""


def wrapped(text: str, *, width: int, size: int, most_lines: int) -> list[str]:
    """Returns the text in lines no wider than `width` pixels; what does not fit into the last line ends in an ellipsis.

    >>> wrapped("put the carrot on the plate", width=100, size=12, most_lines=2)
    ['put the carrot on', 'the plate']
    """
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most_lines - 1:
        taken = 1
        while taken < len(words) and text_width(" ".join(words[: taken + 1]), size) <= width:
            taken += 1
        lines.append(shortened(" ".join(words[:taken]), width=width, size=size))
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
    left, top, right, bottom = font(size).getbbox(text, anchor=anchor)
    corner = math.floor(left), math.floor(top)
    mask = Image.new("L", (max(1, math.ceil(right) - corner[0]), max(1, math.ceil(bottom) - corner[1])))
    ImageDraw.Draw(mask).text((-corner[0], -corner[1]), text, fill=255, font=font(size), anchor=anchor)
    return mask, corner


def draw_rising_text(
    canvas: Image.Image, at: tuple[int, int], text: str, *, size: int, color: Color = INK, paper: Color = PAPER
) -> None:
    """Writes one line that reads from bottom to top.

    Args:
      canvas: Painted in place.
      at: x of the middle of the line and y of its lower end, in pixels.
      text: One line.
      size: Of the letters, in pixels.
      color: RGB.
      paper: The colour behind the text.

    >>> canvas = Image.new("RGB", (20, 60), "white")
    >>> draw_rising_text(canvas, (10, 55), "query", size=12)
    >>> canvas.getextrema()[0][0] < 128
    True
    """
    height = line_height(size)
    line = Image.new("RGB", (text_width(text, size) + 1, height), paper)
    draw_text(line, (0, height // 2), text, size=size, color=color, anchor="lm")
    turned = line.transpose(Image.Transpose.ROTATE_90)
    canvas.paste(turned, (at[0] - height // 2, at[1] - turned.height))


def short_number(value: float) -> str:
    """Returns a number with two significant digits, as a tick or a note shows it.

    >>> [short_number(value) for value in (0.0, 0.03142, 0.5, 1.0, 12.3, 0.000021)]
    ['0', '0.031', '0.5', '1', '12', '2.1e-5']
    """
    text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    return text.replace("e-0", "e-").replace("e+0", "e")
