"""A report as Markdown, with its pictures beside it."""

from octoscope.pictures.report_content import Report, ReportPart, ReportTable


def report_markdown(report: Report) -> str:
    """Returns the whole report; pictures are `pictures/NAME.png`.

    >>> part = ReportPart("words", "Words", "Masked, one by one.", tables=[ReportTable(["word", "change"], [["red", "0.2"]])])
    >>> print(report_markdown(Report("A policy", "", [("seed", "0")], [part], ["Open loop."])).split("## Words")[1].strip())
    Masked, one by one.
    <BLANKLINE>
    | word | change |
    |---|---|
    | red | 0.2 |
    <BLANKLINE>
    ## What holds for all of it
    <BLANKLINE>
    - Open loop.
    """
    lines = [f"# {report.title}", ""]
    lines += [f"**{report.note}**", ""] if report.note else []
    lines += [f"- {headline}" for _, headline in report.headlines()]
    lines += ["", *_table(ReportTable(["what", "which"], report.provenance)), ""]
    for part in report.parts:
        lines += _part(part)
    lines += ["## What holds for all of it", "", *(f"- {caveat}" for caveat in report.caveats)]
    return "\n".join(lines) + "\n"


def _part(part: ReportPart) -> list[str]:
    lines = [f"## {part.title}", "", part.lead, ""]
    if part.missing:
        return [*lines, f"Not shown: {part.missing}", ""]
    if part.findings:
        lines += [*(f"- {finding}" for finding in part.findings), ""]
    for figure in part.figures:
        lines += [f"![{figure.caption}](pictures/{figure.name}.png)", "", f"*{figure.caption}*", ""]
    for table in part.tables:
        lines += [*([table.caption, ""] if table.caption else []), *_table(table), ""]
    lines += [f"**Shows:** {part.shows}", ""] if part.shows else []
    lines += [f"**Does not show:** {part.not_shows}", ""] if part.not_shows else []
    return lines


def _table(table: ReportTable) -> list[str]:
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"|{line.replace(chr(32), '')}|" if place == 1 else f"| {line} |" for place, line in enumerate(lines)]
