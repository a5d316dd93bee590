"""What people type to choose steps, layers or heads: "all", "3", "0,2,5", "4:8", "-1"."""

import re
from collections.abc import Mapping

from octoscope.errors import SelectionError

# Nothing has more than 10^12 steps, and Python refuses to read numbers of thousands of digits.
_PART = re.compile(r"-?\d{1,12}|(-?\d{1,12})?:(-?\d{1,12})?", re.ASCII)
_SHARE = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
# Characters of a wrong one that a message repeats.
_SHOWN = 60


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
    check_selection(text, what=what)
    if text == "all":
        return list(range(count))
    chosen: list[int] = []
    for part in map(str.strip, text.split(",")):
        if ":" in part:
            bounds = [int(bound) if bound else None for bound in part.split(":")]
            chosen += range(count)[slice(*bounds)]
        elif -count <= int(part) < count:
            chosen.append(int(part) % count)
        else:
            raise SelectionError(f"{what} must be in 0..{count - 1}, got {int(part)}.")
    if not chosen:
        raise SelectionError(f'The {what} selection "{text}" chooses nothing of 0..{count - 1}.')
    return list(dict.fromkeys(chosen))


def parse_steps(text: str | None, *, count: int) -> list[int]:
    """Returns the chosen steps of an episode; the one in the middle, where history is real, for None.

    Raises:
      SelectionError: As `parse_selection` does.

    >>> parse_steps(None, count=7), parse_steps("0,-1", count=7)
    ([3], [0, 6])
    """
    return [count // 2] if text is None else parse_selection(text, count=count, what="step")


def parse_step(step: int | None, *, count: int) -> int:
    """Returns one step of an episode; the one in the middle for None.

    Raises:
      SelectionError: If there is no such step.
    """
    return parse_steps(None if step is None else str(step), count=count)[0]


def parse_one(text: str, *, count: int, what: str) -> int:
    """Returns the index that a text chooses, where one is wanted.

    Raises:
      SelectionError: If it chooses several, or as `parse_selection` does.
    """
    first, *more = parse_selection(text, count=count, what=what)
    if more:
        raise SelectionError(
            f'One {what} is looked at here, and --{what} {text} chooses {1 + len(more)}: give one, as in "{first}".'
        )
    return first


def check_selection(text: str, *, what: str) -> None:
    """Refuses what is no selection, whatever there is to choose from.

    Raises:
      SelectionError: Saying what one looks like.
    """
    if text != "all" and not all(_PART.fullmatch(part.strip()) for part in text.split(",")):
        came = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
        raise SelectionError(f'A {what} selection looks like "all", "3", "0,2,5" or "4:8", got "{came}".')


def parse_share(text: str, *, what: str) -> tuple[int, int]:
    """Returns (1, 4) for "1/4": the second of four parts.

    Raises:
      SelectionError: If it is no part of a whole.
    """
    found = _SHARE.fullmatch(text)
    if found is None or not int(found[1]) < int(found[2]):
        raise SelectionError(f'{what} is a part of a whole, from 0, as in 0/4 to 3/4; got "{text[:_SHOWN]}".')
    return int(found[1]), int(found[2])


def parse_pairs(pairs: tuple[str, ...], *, what: str, example: str = "primary=image_0") -> Mapping[str, str] | None:
    """Returns {"primary": "image_0"} for ("primary=image_0",), None for nothing.

    Raises:
      SelectionError: If an entry has no "=", nothing before or behind it, or a name comes twice.
    """
    for pair in pairs:
        if not all(pair.partition("=")):
            raise SelectionError(f'{what} takes NAME=VALUE, as in {example}, got "{pair}".')
    named = dict(pair.split("=", 1) for pair in pairs)
    if len(named) < len(pairs):
        raise SelectionError(f"{what} names one of {', '.join(named)} twice: give each once.")
    return named or None
