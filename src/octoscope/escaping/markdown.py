"""Text inside Markdown: CommonMark with the tables, struck words and formulas of GitHub."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from octoscope.escaping.visible import visible

# Inside a word an underscore is an underscore; `obs_primary` stays readable.
_INLINE = re.compile(r"[\\`*\[\]~$|]|(?<![^\W_])_|_(?![^\W_])")
# What opens a heading, a list, a quote, a rule or an underline, at the beginning of a line.
_OPENING = re.compile(r"#{1,6}(?=\s|$)|[-+](?=\s|$)|>|[-=]+\s*$|-[\s-]+$")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def markdown_text(text: str) -> str:
    r"""Returns the text as one line that reads as itself wherever it stands: no tag, link, heading, list or cell comes of it.

    >>> print(markdown_text("# [go](javascript:x) <b>*now*</b>"))
    \# \[go\](javascript:x) &lt;b>\*now\*&lt;/b>
    >>> print(markdown_text("obs_primary attends 0.5 | 20 %\n- done"))
    obs_primary attends 0.5 \| 20 %\\n- done
    """
    line = markdown_words(text)
    opening = _OPENING.match(line)
    if opening:
        return "\\" + line
    return _NUMBERED.sub(r"\1\\\2", line, count=1) if _NUMBERED.match(line) else line


def markdown_words(text: str) -> str:
    """Returns the same for text that stands inside a line, behind something else: a cell, or a part of a sentence."""
    escaped = _INLINE.sub(lambda match: f"\\{match.group()}", visible(text.strip()))
    return _ENTITY.sub("&amp;", escaped).replace("<", "&lt;")


def markdown_link(path: str) -> str:
    """Returns the path of a file beside the text, as a link leads to it.

    >>> markdown_link("maps (1).png")
    'maps%20%281%29.png'
    """
    return quote(path)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table.

    >>> print("\\n".join(markdown_table(["word", "change"], [["a|b", "0.2"]])))
    | word | change |
    |---|---|
    | a\\|b | 0.2 |
    """
    lines = [f"| {' | '.join(map(markdown_words, row))} |" for row in (head, *rows)]
    return [lines[0], f"|{'---|' * len(head)}", *lines[1:]]
