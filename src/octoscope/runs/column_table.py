"""Tables of named columns: CSV to read and to diff, Parquet to compute with.

Parquet needs pyarrow, which is an extra: `pip install "octoscope[parquet]"`.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.errors import OutputError
from octoscope.escaping.csv_text import csv_text

_HOW = 'Parquet needs pyarrow: pip install "octoscope[parquet]"'
CSV_ONLY = f"Tables are CSV only. {_HOW}"


@dataclass(frozen=True)
class ColumnTable:
    """Columns of equal length, in their order; a number that is not known is NaN, a text that is not there is "".

    >>> table = ColumnTable({"method": ["rollout", "random"], "Pearson": [0.25, float("nan")]})
    >>> print(table.to_csv(), end="")
    method,Pearson
    rollout,0.25
    random,nan
    """

    columns: Mapping[str, Sequence[str | int | float]]

    def to_csv(self) -> str:
        """Returns one line for each row, numbers with six digits."""
        rows = zip(*self.columns.values(), strict=True)
        numbers = ([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)
        return csv_text([list(self.columns), *numbers])

    def write_parquet(self, path: str | Path) -> None:
        """Writes the same rows with all digits; a number that is not known is null.

        Raises:
          OutputError: If pyarrow is not installed.
        """
        if not can_write_parquet():
            raise OutputError(_HOW)
        import pyarrow
        import pyarrow.parquet

        known = {
            name: [None if _missing(value) else value for value in column] for name, column in self.columns.items()
        }
        # A column without any known number would have no type.
        arrays = {
            name: pyarrow.array(values, type=None if any(value is not None for value in values) else pyarrow.float64())
            for name, values in known.items()
        }
        pyarrow.parquet.write_table(pyarrow.table(arrays), path)

    def write(self, folder: str | Path, name: str) -> None:
        """Writes NAME.csv, and NAME.parquet where pyarrow is installed.

        Args:
          folder: An existing one.
          name: Of the files, without an ending.
        """
        folder = Path(folder)
        (folder / f"{name}.csv").write_text(self.to_csv(), encoding="utf-8")
        if can_write_parquet():
            self.write_parquet(folder / f"{name}.parquet")


def can_write_parquet() -> bool:
    """Returns whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def _missing(value: str | int | float) -> bool:
    return isinstance(value, float) and math.isnan(value)
