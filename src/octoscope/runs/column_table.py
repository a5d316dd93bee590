"""Tables of named columns: CSV to read and to diff, Markdown to show, Parquet to compute with.

Parquet needs pyarrow, which is an extra: `pip install "octoscope[parquet]"`.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.errors import OutputError
from octoscope.escaping.csv_text import csv_text
from octoscope.escaping.markdown import markdown_table

PARQUET_HOW = 'Parquet needs pyarrow: pip install "octoscope[parquet]"'
CSV_ONLY = f"Tables are CSV only. {PARQUET_HOW}"


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

    @classmethod
    def of_rows(cls, names: Sequence[str], rows: Sequence[Sequence[str | int | float]]) -> "ColumnTable":
        """Returns the table of rows under their names.

        >>> ColumnTable.of_rows(["word", "change"], [["red", 0.25]]).columns
        {'word': ['red'], 'change': [0.25]}

        Raises:
          ValueError: If two columns have one name.
        """
        if len(set(names)) < len(names):
            raise ValueError(f"`names` must differ from each other, got {', '.join(names)}.")
        return cls({name: [row[place] for row in rows] for place, name in enumerate(names)})

    def to_markdown(self) -> str:
        """Returns a Markdown table, numbers with four digits; "-" is what is not known.

        >>> print(ColumnTable({"method": ["rollout"], "mean": [0.123456], "low": [float("nan")]}).to_markdown())
        | method | mean | low |
        |---|---|---|
        | rollout | 0.1235 | - |
        """
        rows = zip(*self.columns.values(), strict=True)
        return "\n".join(markdown_table(list(self.columns), [[_told(value) for value in row] for row in rows]))

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
            raise OutputError(PARQUET_HOW)
        import pyarrow
        import pyarrow.parquet

        known = {
            _whole(name): [
                _whole(value) if isinstance(value, str) else None if _missing(value) else value for value in column
            ]
            for name, column in self.columns.items()
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


def _told(value: str | int | float) -> str:
    return "-" if _missing(value) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _whole(text: str) -> str:
    r"""Returns the text with halves of surrogate pairs, which UTF-8 does not have, written out: "\\ud800"."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _missing(value: str | int | float) -> bool:
    return isinstance(value, float) and math.isnan(value)
