"""`octoscope drop-tokens`: only the best image tokens are kept. What does that do to action and time?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.cli.opening import Given, reading_remarks
from octoscope.cli.selection import parse_selection
from octoscope.escaping.terminal import say
from octoscope.faithfulness.drop_tokens import DEFAULT_SCORES, drop_tokens
from octoscope.pictures.drop_pictures import render_drop_curves, render_kept_tokens
from octoscope.render.image_file import write_png
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output

_FOLDER = "drop_tokens"


@dataclass(frozen=True)
class DropTokens:
    """Keep the best image tokens by each score, remove the rest from the sequence or mask them, and show action error and time.

    Writes drop_tokens/errors.md, errors.csv and .parquet, curves.png and kept.png. Scores: the maps of `octoscope faithfulness`, "detail"
    (plain background goes first), "edges" (what has none goes first), "named object" (where episodes have masks). Example:

    octoscope drop-tokens hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:5 --scores rollout detail random
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0,3,5', '0:10', 'all'.
    episode: str = "all"
    # What decides which tokens are kept.
    scores: tuple[str, ...] = DEFAULT_SCORES
    # Parts of the image tokens that are kept.
    keep: tuple[float, ...] = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.0)
    # The others leave the sequence ('remove', which saves time), or stay and cannot be looked at ('mask'); the action is the same.
    how: Literal["remove", "mask"] = "remove"
    # Steps of each episode, spread evenly.
    steps: int = 3
    # Rounds in which a step with each part of the tokens is timed once; 0 for no times.
    timings: int = 10
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
        """Runs, writes the table and pictures, and prints the table."""
        options = self.given.options()
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = self.given.open(self.checkpoint, self.episodes)
        places = parse_selection(self.episode, count=len(source), what="episode")
        chosen = [source[place] for place in places]
        table = drop_tokens(
            model,
            chosen,
            scores=self.scores,
            fractions=self.keep,
            how=self.how,
            steps=self.steps,
            seed=self.seed,
            timings=self.timings,
            batch=self.batch,
            options=options,
            progress=True,
        )
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            (folder / "errors.md").write_text(table.to_markdown() + "\n", encoding="utf-8")
            table.columns().write(folder, "errors")
            write_png(folder / "curves.png", render_drop_curves(table))
            write_png(folder / "kept.png", render_kept_tokens(table))
        say(*table.to_markdown().split("\n"))
        say(*reading_remarks(model, chosen, options))
        say("", f"Table and pictures: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
