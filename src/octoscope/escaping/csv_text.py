"""Comma-separated values that a spreadsheet takes for what they are."""

import csv
import io
from collections.abc import Iterable

from octoscope.escaping.visible import visible

# What begins a formula; the wide forms are taken for the narrow ones where Chinese or Japanese is the language.
_FORMULA = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_FORMULA += ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")


def csv_line(cells: Iterable[str | int | float | None]) -> str:
    """Returns the cells as one line with its line break; text that a spreadsheet would compute has an apostrophe in front.

    A number stays a number, whatever its sign; so does a lone "-".

    >>> print(csv_line(["=1+1", "-0.5", -0.5, "-rot", "a,b", None]), end="")
    '=1+1,-0.5,-0.5,'-rot,"a,b",
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def csv_text(rows: Iterable[Iterable[str | int | float | None]]) -> str:
    """Returns the rows as lines.

    >>> csv_text([["word", "change"], ["@red", 0.25]])
    "word,change\\n'@red,0.25\\n"
    """
    return "".join(map(csv_line, rows))


def _cell(cell: str | int | float | None) -> str | int | float | None:
    if not isinstance(cell, str):
        return cell
    text = visible(cell)
    computed = text.lstrip().startswith(_FORMULA) and text != "-" and not _is_number(text)
    return f"'{text}" if computed else text


def _is_number(text: str) -> bool:
    # Ours are written in ASCII and without what Python allows besides, such as 1_000.
    if not text.isascii() or "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
