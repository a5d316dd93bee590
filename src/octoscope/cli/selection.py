"""What people type to choose steps, layers or heads: "all", "3", "0,2,5", "4:8", "-1"."""

import re
from collections.abc import Mapping

from octoscope.errors import SelectionError

_PART = re.compile(r"(-?\d+)|(-?\d*):(-?\d*)")


def parse_selection(text: str, *, count: int, what: str) -> list[int]:
    """Returns the chosen indices in the order typed, each once.

    Args:
      text: Comma-separated indices and Python-like ranges, or "all"; negative counts from the end.
      count: How many there are.
      what: Singular, for the message ("step").

    Raises:
      SelectionError: If the text is no selection, chooses nothing, or an index is out of range.

    >>> parse_selection("0,2:4,-1", count=10, what="step")
    [0, 2, 3, 9]
    """
    if text == "all":
        return list(range(count))
    chosen: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise SelectionError(f'A {what} selection looks like "all", "3", "0,2,5" or "4:8", got "{text}".')
        if match[1] is None:
            bounds = [int(bound) if bound else None for bound in part.strip().split(":")]
            chosen += range(count)[slice(*bounds)]
        elif -count <= int(match[1]) < count:
            chosen.append(int(match[1]) % count)
        else:
            raise SelectionError(f"{what} must be in 0..{count - 1}, got {match[1]}.")
    if not chosen:
        raise SelectionError(f'The {what} selection "{text}" chooses nothing of 0..{count - 1}.')
    return list(dict.fromkeys(chosen))


def parse_pairs(pairs: tuple[str, ...], *, what: str, example: str = "primary=image_0") -> Mapping[str, str] | None:
    """Returns {"primary": "image_0"} for ("primary=image_0",), None for nothing.

    Raises:
      SelectionError: If an entry has no "=".
    """
    for pair in pairs:
        if "=" not in pair:
            raise SelectionError(f'{what} takes NAME=VALUE, as in {example}, got "{pair}".')
    return dict(pair.split("=", 1) for pair in pairs) or None
