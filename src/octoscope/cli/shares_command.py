"""`octoscope shares`: where a query row's attention goes, kind by kind, as pictures and a table."""

from pathlib import Path

from octoscope.attention.share_table import ShareTable, share_table
from octoscope.errors import SelectionError
from octoscope.escaping.csv_text import csv_line
from octoscope.escaping.terminal import say
from octoscope.pictures.language_use import render_language_use
from octoscope.pictures.share_pictures import render_share_bars, render_share_curves, render_share_grids
from octoscope.render.image_file import write_png
from octoscope.runs.run import Run
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.shares import SharesOptions

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
            write_share_csv(folder / "shares.csv", table)
            write_png(folder / "bars.png", render_share_bars(run, table=table))
            write_png(folder / "grids.png", render_share_grids(run, table=table))
            for layer in table.layers:
                write_png(folder / f"curves_layer_{layer}.png", render_share_curves(run, layer=layer, table=table))
            try:
                write_png(folder / "language_use.png", render_language_use(run, table=table))
            except SelectionError as error:
                say(f"No language_use.png: {error}")
        say(f"Shares of {table.query.label}, {len(table.steps)} steps: {self.output / _FOLDER}")


def write_share_csv(path: Path, table: ShareTable) -> None:
    """Writes one line for each step, layer and head: its shares, then what even attention would give."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(csv_line(["step", "layer", "head", *table.names, *(f"even: {name}" for name in table.names)]))
        for at, step in enumerate(table.steps):
            even = [f"{share:.6g}" for share in table.uniform[at]]
            for place, layer in enumerate(table.layers):
                for head, shares in enumerate(table.shares[at, place]):
                    file.write(csv_line([step, layer, head, *(f"{share:.6g}" for share in shares), *even]))
