"""`octoscope language`: does the policy use its instruction?"""

from octoscope.cli.opening import open_given, reading_remarks, scene_options
from octoscope.cli.options.language import LanguageOptions
from octoscope.cli.selection import parse_selection
from octoscope.escaping.terminal import say
from octoscope.faithfulness.language_use import language_use
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.views.language_effect import language_effect_chart

_FOLDER = "language"


class Language(LanguageOptions):
    """`octoscope language` at work."""

    def __call__(self) -> None:
        """Runs, writes the figure and the table, and prints the number."""
        options = scene_options(self.given)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = open_given(self.given, self.checkpoint, self.episodes)
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
            save_view(language_effect_chart(table), folder / f"language.{self.figure_format}")
        say(table.sentence())
        say(*reading_remarks(model, chosen, options, others=self.swap))
        say(f"Figure and table: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
        if model.note:
            say(model.note)
