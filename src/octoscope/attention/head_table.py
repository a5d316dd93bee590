"""The table of head statistics: what each layer and head does over a whole run, a number each, with its unit and its meaning."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.query import QueryRow
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.csv_text import csv_text
from octoscope.escaping.markdown import markdown_table, markdown_text, markdown_words


@dataclass(frozen=True)
class HeadStatistic:
    """One number for each layer and head."""

    # For tables and titles: "entropy".
    name: str
    # "bits", "pixels", "" for a plain number.
    unit: str
    # One sentence: what it is, and of what.
    meaning: str
    # NaN where it cannot be told.
    values: Float[np.ndarray, "layer head"]
    # What even attention would give; None where that means nothing.
    even: float | None = None
    # The least and the most it could be, where both are known: the ends of its scale.
    limits: tuple[float, float] | None = None

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class HeadTable:
    """All statistics of one query row, over the steps of a run."""

    query: QueryRow
    # The camera whose current frame the maps are of.
    camera: str
    steps: tuple[int, ...]
    layers: tuple[int, ...]
    statistics: tuple[HeadStatistic, ...]
    # How far each step's map is from the mean map of all steps: the part of the weight that lies elsewhere, 0..1.
    deviation: Float[np.ndarray, "step layer head"]
    # What could not be told, and what to do about it.
    notes: tuple[str, ...]

    def of(self, name: str) -> HeadStatistic:
        """Returns one statistic.

        Raises:
          SelectionError: If there is none of that name.
        """
        names = [statistic.name for statistic in self.statistics]
        if name not in names:
            raise SelectionError(
                f"There is no statistic '{name}'. There are: {', '.join(names)}." + nearest(name, names)
            )
        return self.statistics[names.index(name)]

    def rows(self) -> list[list[str]]:
        """Returns a head line, then a line for each layer and head; "" for what cannot be told."""
        head = ["layer", "head", *(statistic.title for statistic in self.statistics)]
        lines = [head]
        for place, layer in enumerate(self.layers):
            for number in range(self.deviation.shape[2]):
                values = [statistic.values[place, number] for statistic in self.statistics]
                lines.append([str(layer), str(number), *("" if np.isnan(v) else f"{v:.4g}" for v in values)])
        return lines

    def to_csv(self) -> str:
        """Returns the table as comma-separated values."""
        return csv_text(self.rows())

    def to_markdown(self) -> str:
        """Returns the table in Markdown, under it what each column means."""
        head, *lines = self.rows()
        meanings = [
            f"- **{markdown_words(statistic.title)}**: {markdown_words(statistic.meaning + _even(statistic))}"
            for statistic in self.statistics
        ]
        subject = f"Query row: {self.query.label}. Maps: the current frame of {self.camera}. Steps: {len(self.steps)}."
        return "\n".join(
            [
                markdown_text(subject),
                "",
                *markdown_table(head, lines),
                "",
                *meanings,
                *(f"- {markdown_text(note)}" for note in self.notes),
            ]
        )


def _even(statistic: HeadStatistic) -> str:
    return "." if statistic.even is None else f"; even attention gives {statistic.even:.4g}."
