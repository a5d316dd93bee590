"""`octoscope faithfulness`: which maps tell what the action depends on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.cli.opening import Given, reading_remarks
from octoscope.cli.selection import parse_selection
from octoscope.errors import check_at_least
from octoscope.escaping.terminal import say
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.methods import METHODS
from octoscope.faithfulness.randomize_policy import randomize_policy
from octoscope.faithfulness.score import score_faithfulness
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.pictures.faithfulness_pictures import (
    render_faithfulness_curves,
    render_faithfulness_maps,
    render_faithfulness_scores,
)
from octoscope.render.image_file import write_png
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output

_FOLDER = "faithfulness"


@dataclass(frozen=True)
class Faithfulness:
    """Score maps against interventions: deletion, insertion, correlation with occlusion, and the named object where it is known.

    Writes faithfulness/scores.md, scores and curves as .csv and .parquet, scores.png, curves.png and maps.png, and with --sanity sanity.md.
    It reruns the policy about (methods x points x 2 + patches x 2) times a step. Example:

    octoscope faithfulness hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10 -o output
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0,3,5', '0:10', 'all'. Intervals are over episodes: give many.
    episode: str = "all"
    # Steps of each episode, spread evenly.
    steps: int = 3
    # Points of a curve between its ends.
    points: int = 8
    # Methods; all by default.
    methods: tuple[str, ...] = tuple(METHODS)
    # What stands where a cell was: grey, black, blur, surroundings, or keys to mask its tokens instead.
    deletion: str = "grey"
    # The same, for insertion.
    insertion: str = "blur"
    # The same, for the method 'occlusion'.
    occlusion: str = "grey"
    # The same, for the occlusion that maps are correlated with.
    reference: str = "surroundings"
    # Dimension of the action that gradients are of; all by default, along the action.
    dimension: int | None = None
    # Step of the horizon that gradients are of; all by default.
    horizon_step: int | None = None
    # Integrated gradients take more points of the path until their sum misses at most this part of f(x) - f(b), which it should be.
    path_tolerance: float = 0.05
    # Also draw weights anew, from the head down, and report how alike the maps stay.
    sanity: bool = False
    # With --sanity: how often weights are drawn anew. Each costs all maps once more for each layer.
    draws: int = 1
    # Of the noise and the random map.
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
        """Scores, writes tables and pictures, and prints the table."""
        settings, options = self.settings(), self.given.options()
        settings.require_methods()
        check_at_least(1, draws=self.draws)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = self.given.open(self.checkpoint, self.episodes)
        places = parse_selection(self.episode, count=len(source), what="episode")
        chosen = [source[place] for place in places]
        table = score_faithfulness(model, chosen, settings, options=options, progress=True)
        sanity = None
        if self.sanity:
            sanity = randomize_policy(model, chosen[0], settings, options=options, draws=self.draws, progress=True)
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            (folder / "scores.md").write_text(table.to_markdown() + "\n", encoding="utf-8")
            table.score_columns().write(folder, "scores")
            table.curve_columns().write(folder, "curves")
            write_png(folder / "scores.png", render_faithfulness_scores(table))
            write_png(folder / "curves.png", render_faithfulness_curves(table))
            write_png(folder / "maps.png", render_faithfulness_maps(table))
            if sanity is not None:
                (folder / "sanity.md").write_text(sanity.to_markdown() + "\n", encoding="utf-8")
        say(*table.to_markdown().split("\n"))
        if sanity is not None:
            say("", *sanity.to_markdown().split("\n"))
        say(*reading_remarks(model, chosen, options))
        say("", f"Tables and pictures: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)

    def settings(self) -> FaithfulnessSettings:
        """Returns how methods are scored.

        Raises:
          SelectionError: If a method or fill does not exist.
        """
        return FaithfulnessSettings(
            methods=self.methods,
            steps=self.steps,
            points=self.points,
            deletion=self.deletion,
            insertion=self.insertion,
            occlusion=self.occlusion,
            reference=self.reference,
            target=ActionTarget(self.dimension, self.horizon_step),
            path_tolerance=self.path_tolerance,
            seed=self.seed,
            batch=self.batch,
        )
