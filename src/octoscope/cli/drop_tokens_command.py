"""`octoscope drop-tokens`: only the best image tokens are kept. What does that do to action and time?"""

from octoscope.cli.opening import open_given, reading_remarks, scene_options
from octoscope.cli.options.drop_tokens import DropTokensOptions
from octoscope.cli.selection import parse_selection
from octoscope.escaping.terminal import say
from octoscope.faithfulness.drop_tokens import drop_tokens
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.views.drop_pictures import drop_curves_chart, kept_tokens_sheet

_FOLDER = "drop_tokens"


class DropTokens(DropTokensOptions):
    """`octoscope drop-tokens` at work."""

    def __call__(self) -> None:
        """Runs, writes the table and pictures, and prints the table."""
        options = scene_options(self.given)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = open_given(self.given, self.checkpoint, self.episodes)
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
            save_view(drop_curves_chart(table), folder / f"curves.{self.figure_format}")
            save_view(kept_tokens_sheet(table), folder / f"kept.{self.figure_format}")
        say(*table.to_markdown().split("\n"))
        say(*reading_remarks(model, chosen, options))
        say("", f"Table and pictures: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
