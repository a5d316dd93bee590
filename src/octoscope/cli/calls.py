"""A command as it was typed, from its words to what comes out; and one that is typed again from a recipe."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.cli import commands
from octoscope.cli.manner import Manner
from octoscope.cli.recipe import repeated_lines, write_recipe
from octoscope.cli.typed import check_arguments, checked_options, typed_options
from octoscope.errors import OctoscopeError
from octoscope.studies.options.repeat import RepeatOptions


@dataclass(frozen=True)
class Call:
    """A command that is ready to be done."""

    options: Any
    # Does it, with all that it imports.
    work: Callable[[], Any]
    manner: Manner

    def do(self) -> Any:
        """Does it, and returns what came out, after noting how it was made and printing it as JSON where that is wanted."""
        begun = time.perf_counter()
        outcome = self.work()
        words = commands.words_of(self.options)
        folder = _results_folder(self.options)
        if folder is not None and folder.is_dir():
            write_recipe(words, self.options, folder)
        self.manner.finish(" ".join(words), outcome)
        if self.manner.verbose:
            self.manner.tell(f"{' '.join(words)} took {time.perf_counter() - begun:.1f} s.")
        return outcome


def prepare(arguments: list[str], manner: Manner) -> list[Call]:
    """Returns what is to be done for a command as it was typed: one call, or for a recipe all of its calls.

    Raises:
      OctoscopeError: If something was typed that cannot be.
      SystemExit: After help.
    """
    check_arguments(arguments)
    options = checked_options(commands.parse_command(arguments), typed_options(arguments))
    if not isinstance(options, RepeatOptions):
        return [Call(options, commands.load_work(options, manner), manner)]
    lines = repeated_lines(options.recipe, commands.every_command())
    more = ["--overwrite"] * options.overwrite
    more += [] if options.output is None else ["--output", str(options.output)]
    return [call for line in lines for call in prepare([*_without_output(line, options.output), *more], manner)]


def _without_output(line: list[str], output: Path | None) -> list[str]:
    return [
        word for word in line if not (output is not None and word.startswith("--output=")) and word != "--overwrite"
    ]


def _results_folder(options: Any) -> Path | None:
    """Returns the folder that results went to; None where a command leaves none."""
    if not hasattr(options, "output"):
        return None
    if options.output is not None:
        return options.output
    # Imported already by the command that read the run.
    run_at = importlib.import_module("octoscope.studies.run_place").run_at
    given = getattr(options, "run", None) or next(iter(getattr(options, "runs", ())), None) or Path(options.source)
    try:
        return run_at(given).parent if getattr(options, "episodes", None) is None else Path("output")
    except OctoscopeError:
        return None
