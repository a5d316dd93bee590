"""`octoscope shares`: where a query row's attention goes, kind by kind, as pictures and a table."""

from octoscope.attention.share_table import share_table
from octoscope.errors import SelectionError
from octoscope.escaping.terminal import say
from octoscope.render.view import save_view
from octoscope.runs.run import Run
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.shares import SharesOptions
from octoscope.views.language_use import language_use_chart
from octoscope.views.share_pictures import share_bars_chart, share_curves_chart, share_grids_chart

_FOLDER = "shares"


class Shares(SharesOptions):
    """`octoscope shares` at work."""

    def __call__(self) -> None:
        """Writes the pictures and the table."""
        run = Run.open(self.run)
        table = share_table(run, self.query)
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            table.columns().write(folder, "shares")
            save_view(share_bars_chart(run, table=table), folder / f"bars.{self.figure_format}")
            save_view(share_grids_chart(run, table=table), folder / f"grids.{self.figure_format}")
            for layer in table.layers:
                save_view(
                    share_curves_chart(run, layer=layer, table=table),
                    folder / f"curves_layer_{layer}.{self.figure_format}",
                )
            try:
                save_view(language_use_chart(run, table=table), folder / f"language_use.{self.figure_format}")
            except SelectionError as error:
                say(f"No language_use.png: {error}")
        say(f"Shares of {table.query.label}, {len(table.steps)} steps: {self.output / _FOLDER}")
