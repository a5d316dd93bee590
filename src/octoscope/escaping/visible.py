"""Characters that nobody sees, made visible: what every medium does with them first."""

import unicodedata

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# The joiners change how their neighbours are written (Persian, Indic scripts, emoji), and can do nothing else.
_JOINERS = ("\N{ZERO WIDTH NON-JOINER}", "\N{ZERO WIDTH JOINER}")


def visible(text: str) -> str:
    r"""Returns the text with control, format and line-breaking characters, and bytes that were no text, as backslash and code.

    Escape sequences steer terminals, marks of direction turn text around, and line breaks begin what looks like another line.

    >>> print(visible("pick\x1b[2J \u202eup\nnow"))
    pick\u001b[2J \u202eup\nnow
    """
    return text if text.isprintable() else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
