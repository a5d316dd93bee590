"""A report as Markdown, with its pictures beside it."""

from octoscope.escaping.markdown import markdown_link, markdown_table, markdown_text, markdown_words
from octoscope.views.report_content import Report, ReportPart


def report_markdown(report: Report, *, figure_format: str = "png") -> str:
    """Returns the whole report; pictures are `pictures/NAME.png`, or of another format.

    >>> from octoscope.views.report_content import ReportTable
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
    lines = [f"# {markdown_text(report.title)}", ""]
    lines += [f"**{markdown_words(report.note)}**", ""] if report.note else []
    lines += [f"- {markdown_text(headline)}" for _, headline in report.headlines()]
    lines += ["", *markdown_table(["what", "which"], report.provenance), ""]
    for part in report.parts:
        lines += _part(part, figure_format)
    lines += ["## What holds for all of it", "", *(f"- {markdown_text(caveat)}" for caveat in report.caveats)]
    return "\n".join(lines) + "\n"


def _part(part: ReportPart, figure_format: str) -> list[str]:
    lines = [f"## {markdown_text(part.title)}", "", markdown_text(part.lead), ""]
    if part.missing:
        return [*lines, f"Not shown: {markdown_words(part.missing)}", ""]
    if part.findings:
        lines += [*(f"- {markdown_text(finding)}" for finding in part.findings), ""]
    for figure in part.figures:
        caption = markdown_words(figure.caption)
        lines += [f"![{caption}](pictures/{markdown_link(figure.name)}.{figure_format})", "", f"*{caption}*", ""]
    for table in part.tables:
        lines += [markdown_text(table.caption), ""] if table.caption else []
        lines += [*markdown_table(table.head, table.rows), ""]
    lines += [f"**Shows:** {markdown_words(part.shows)}", ""] if part.shows else []
    lines += [f"**Does not show:** {markdown_words(part.not_shows)}", ""] if part.not_shows else []
    return lines
