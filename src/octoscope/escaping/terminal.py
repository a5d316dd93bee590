"""Text to the terminal: the one way by which anything is printed."""

import sys
from typing import TextIO

from octoscope.escaping.visible import visible


def say(*lines: str, file: TextIO | None = None, flush: bool = False) -> None:
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
