"""How a command speaks, whichever it is: --json, --quiet, --verbose."""

import functools
import importlib
import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from octoscope.errors import SelectionError
from octoscope.escaping.terminal import say

_SHORT = {"-q": "--quiet", "-v": "--verbose"}
_FLAGS = ("--json", "--quiet", "--verbose")
# Sentences shorter than this may well be lines of a table.
_NOTICE = 40


@dataclass(frozen=True)
class Manner:
    """How a command speaks."""

    # One JSON object at the end, and nothing else.
    json: bool = False
    # Errors alone.
    quiet: bool = False
    # Also how long it took, and Python's own words for an error.
    verbose: bool = False
    # What was told, for JSON.
    told: list[str] = field(default_factory=list)
    # Notices that were told.
    _noticed: set[str] = field(default_factory=set)

    @property
    def shows_progress(self) -> bool:
        """Whether progress bars are shown."""
        return not (self.json or self.quiet)

    def tell(self, *lines: str) -> None:
        """Prints lines as the manner is; a notice that comes again, of another episode say, is told once."""
        for line in lines:
            if len(line) >= _NOTICE and line.endswith(".") and not line.startswith(" "):
                if line in self._noticed:
                    continue
                self._noticed.add(line)
            self.told.append(line)
            if not (self.json or self.quiet):
                say(line, flush=True)

    def finish(self, command: str, outcome: Any) -> None:
        """Prints what came out as JSON, where that is the manner."""
        if not self.json:
            return
        # With all that outcomes are made of, which the command has imported.
        plain_outcome = importlib.import_module("octoscope.studies.plain_outcome").plain_outcome
        whole = {"command": command, "found": plain_outcome(outcome), "told": [line for line in self.told if line]}
        say(*json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).split("\n"), flush=True)

    def explain(self, error: BaseException) -> list[str]:
        """Returns Python's own words for an error, where the manner is to say all."""
        if not self.verbose:
            return []
        return [line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")]


def split_manner(arguments: Sequence[str]) -> tuple[Manner, list[str]]:
    """Returns how a command is to speak, and what else was typed.

    Raises:
      SelectionError: If it is to be quiet and to say more.

    >>> split_manner(["shares", "output", "--json"])
    (Manner(json=True, quiet=False, verbose=False, told=[], _noticed=set()), ['shares', 'output'])
    """
    typed = [_SHORT.get(argument, argument) for argument in arguments]
    json_wanted, quiet, verbose = (flag in typed for flag in _FLAGS)
    if verbose and (quiet or json_wanted):
        raise SelectionError("--verbose says more, --quiet and --json say less: give one of them.")
    rest = [argument for argument in arguments if _SHORT.get(argument, argument) not in _FLAGS]
    return Manner(json_wanted, quiet, verbose), rest


def spoken(study: Callable[..., Any], options: Any, manner: Manner) -> Callable[[], Any]:
    """Returns the work of a study, which tells in a manner."""
    return functools.partial(study, options, tell=manner.tell, progress=manner.shows_progress)
