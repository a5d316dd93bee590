"""`octoscope language`: does the policy use its instruction?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.cli.opening import Given, reading_remarks
from octoscope.cli.selection import parse_selection
from octoscope.escaping.terminal import say
from octoscope.faithfulness.language_use import language_use
from octoscope.pictures.language_effect import render_language_effect
from octoscope.render.image_file import write_png
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output

_FOLDER = "language"


@dataclass(frozen=True)
class Language:
    """Show whether the words matter: attention on them beside what other words, no words and shuffled words do to the action.

    Writes language/language.png, steps.csv and .parquet, and prints one number: the mean change of the action when the instruction is
    swapped for those of the other episodes. Example:

    octoscope language hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0,3,5', '0:10', 'all'.
    episode: str = "all"
    # Steps of each episode, spread evenly; all by default.
    steps: int | None = None
    # Other instructions; those of the other episodes by default.
    swap: tuple[str, ...] = ()
    # Draws of other noise, for the noise floor.
    noises: int = 8
    # Of the noise.
    seed: int = 0
    # Inputs run at once.
    batch: int = 16
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Runs, writes the figure and the table, and prints the number."""
        options = self.given.options()
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = self.given.open(self.checkpoint, self.episodes)
        places = parse_selection(self.episode, count=len(source), what="episode")
        chosen = [source[place] for place in places]
        table = language_use(
            model,
            chosen,
            steps=self.steps,
            swaps=self.swap,
            seed=self.seed,
            noises=self.noises,
            batch=self.batch,
            options=options,
            progress=True,
        )
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            table.columns().write(folder, "steps")
            write_png(folder / "language.png", render_language_effect(table))
        say(table.sentence())
        say(*reading_remarks(model, chosen, options, others=self.swap))
        say(f"Figure and table: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
        if model.note:
            say(model.note)
