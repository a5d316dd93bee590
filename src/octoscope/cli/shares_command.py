"""`octoscope shares`: where a query row's attention goes, kind by kind, as pictures and a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.attention.share_table import ShareTable, share_table
from octoscope.errors import SelectionError
from octoscope.escaping.csv_text import csv_line
from octoscope.escaping.terminal import say
from octoscope.pictures.language_use import render_language_use
from octoscope.pictures.share_pictures import render_share_bars, render_share_curves, render_share_grids
from octoscope.render.image_file import write_png
from octoscope.runs.run import Run
from octoscope.runs.staged_output import staged_output

_FOLDER = "shares"


@dataclass(frozen=True)
class Shares:
    """Show how much attention goes to each camera and timestep, to words, to padding words, to the rest.

    Writes shares/bars.png (each layer), grids.png (each layer and head), curves_layer_L.png (over the steps), language_use.png and
    shares.csv. All shares of a query sum to 1; what even attention would give stands beside them. Example:

    octoscope shares output/run.zarr --query readout_action
    """

    # A run that `octoscope attend` made.
    run: Positional[Path]
    # Whose attention: a token group, 'GROUP:TOKEN', or 'word:WORD'; the first readout by default.
    query: str | None = None
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

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
