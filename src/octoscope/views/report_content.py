"""What a report holds, before it becomes a page: parts with pictures, tables, and what each does and does not show."""

from collections.abc import Sequence
from dataclasses import dataclass

from octoscope.render.view import View


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """A view with a caption."""

    # Of the file, without its ending; once in a report.
    name: str
    view: View
    caption: str
    # Drawn small, where there are many.
    small: bool = False


@dataclass(frozen=True)
class ReportTable:
    """A table; numbers are written as they are to be read."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    # Of each row, the name of the figure that its first cell leads to, "" for none; () where no row has one.
    links: Sequence[str] = ()
    # Opened by a click on its caption, where it is long.
    folded: bool = False


@dataclass(frozen=True, eq=False)
class ReportPart:
    """One question, what was measured, and how far that goes."""

    # For links: "faithfulness".
    name: str
    title: str
    # What was done, in a sentence or two.
    lead: str
    # The one sentence for the top of the page, with its number; "" for none.
    headline: str = ""
    findings: Sequence[str] = ()
    figures: Sequence[ReportFigure] = ()
    tables: Sequence[ReportTable] = ()
    shows: str = ""
    not_shows: str = ""
    # Why there is nothing; "" where there is.
    missing: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """A policy on a dataset: what it was, and the parts."""

    title: str
    # What must be said first, such as that the weights are random; "" for nothing.
    note: str
    # Name and value of everything that the numbers depend on.
    provenance: Sequence[tuple[str, str]]
    parts: Sequence[ReportPart]
    # What holds for all parts.
    caveats: Sequence[str]
    subtitle: str = (
        "Attention, and what happens to the action when things are taken away. Open loop, on recorded episodes."
    )

    def headlines(self) -> list[tuple[ReportPart, str]]:
        """Returns the parts that have a headline, with it."""
        return [(part, part.headline) for part in self.parts if part.headline]
