"""Text to the terminal: the one way by which anything is printed."""

import sys
from typing import Any, Protocol, runtime_checkable

from octoscope.escaping.visible import visible


@runtime_checkable
class TextStream(Protocol):
    """What text is printed to: a file, or what stands before standard output."""

    def write(self, text: str, /) -> Any:
        """Takes some text."""
        ...

    def flush(self) -> Any:
        """Hands on what was held back."""
        ...


def say(*lines: str, file: TextStream | None = None, flush: bool = False) -> None:
    r"""Prints each line; what would steer the terminal, or begin another line, is shown as a code.

    Args:
      lines: Each ends in a line break, and holds none; without any, nothing is printed.
      file: Standard output by default.
      flush: Whether nothing is held back.

    >>> say("task: pick\x1b]0;title\x07 it\nnow", "Two")
    task: pick\u001b]0;title\u0007 it\nnow
    Two
    """
    for line in lines:
        print(visible(line), file=sys.stdout if file is None else file, flush=flush)
