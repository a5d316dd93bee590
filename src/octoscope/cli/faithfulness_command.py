"""`octoscope faithfulness`: which maps tell what the action depends on."""

from octoscope.cli.opening import open_given, reading_remarks, scene_options
from octoscope.cli.options.faithfulness import FaithfulnessOptions
from octoscope.cli.selection import parse_selection
from octoscope.errors import check_at_least
from octoscope.escaping.terminal import say
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.randomize_policy import randomize_policy
from octoscope.faithfulness.score import score_faithfulness
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.views.faithfulness_pictures import (
    faithfulness_curves_chart,
    faithfulness_maps_sheet,
    faithfulness_scores_chart,
)

_FOLDER = "faithfulness"


class Faithfulness(FaithfulnessOptions):
    """`octoscope faithfulness` at work."""

    def __call__(self) -> None:
        """Scores, writes tables and pictures, and prints the table."""
        settings, options = self.settings(), scene_options(self.given)
        settings.require_methods()
        check_at_least(1, draws=self.draws)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = open_given(self.given, self.checkpoint, self.episodes)
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
            save_view(faithfulness_scores_chart(table), folder / f"scores.{self.figure_format}")
            save_view(faithfulness_curves_chart(table), folder / f"curves.{self.figure_format}")
            save_view(faithfulness_maps_sheet(table), folder / f"maps.{self.figure_format}")
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
