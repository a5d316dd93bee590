"""A report as one HTML page that needs nothing else: its style and its pictures lie inside, and it runs no script.

A picture opens large by a click, as a box that is ticked: a page without scripts can do that with each picture there once.
"""

import base64
import re
from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.escaping.html import html_text
from octoscope.render.image_file import jpeg_bytes
from octoscope.render.photo import resize_photo
from octoscope.render.png import png_bytes
from octoscope.render.view import draw_view
from octoscope.views.report_content import Report, ReportFigure, ReportPart, ReportTable

_SMALL_WIDTH, _SMALL_QUALITY = 640, 80
_ABSENT = ' class="absent"'
_CAVEATS, _CAVEATS_TITLE = "caveats", "What holds for all of it"
_NUMBER = re.compile(r"-?[\d.]+( %|x| \(.*\)|\.\..*)?|-")


def report_html(report: Report) -> str:
    """Returns the whole page.

    >>> part = ReportPart("words", "Do <words> matter?", "Masked, one by one.", headline="They do.")
    >>> page = report_html(Report("A policy", "", [("seed", "0")], [part], ["Open loop."]))
    >>> "Do &lt;words&gt; matter?" in page, "http" in page
    (True, False)
    """
    style = (files("octoscope.views") / "report_style.css").read_text(encoding="utf-8")
    parts = "\n".join(_part(part) for part in report.parts)
    note = f'<p class="note">{html_text(report.note)}</p>' if report.note else ""
    glance = "".join(
        f'<li><a href="#{html_text(part.name)}">{html_text(part.title)}</a>{html_text(headline)}</li>'
        for part, headline in report.headlines()
    )
    index = "".join(
        f'<a href="#{html_text(part.name)}"{_ABSENT if part.missing else ""}>{html_text(part.title)}</a>'
        for part in report.parts
    )
    provenance = "".join(
        f"<tr><td>{html_text(name)}</td><td>{html_text(value)}</td></tr>" for name, value in report.provenance
    )
    caveats = "".join(f"<li>{html_text(caveat)}</li>" for caveat in report.caveats)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html_text(report.title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{html_text(report.title)}</h1>
<p class="subtitle">{html_text(report.subtitle)}</p>
{note}
<nav>{index}<a href="#{_CAVEATS}">{_CAVEATS_TITLE}</a></nav>
<ul class="glance">{glance}</ul>
<div class="table provenance"><table>{provenance}</table></div>
{parts}
<h2 id="{_CAVEATS}">{_CAVEATS_TITLE}</h2>
<ul class="findings">{caveats}</ul>
</main>
</body>
</html>
"""


def _part(part: ReportPart) -> str:
    head = f'<h2 id="{html_text(part.name)}">{html_text(part.title)}</h2>\n<p class="lead">{html_text(part.lead)}</p>'
    if part.missing:
        return f'{head}\n<p class="missing">Not shown: {html_text(part.missing)}</p>'
    found = "".join(f"<li>{html_text(finding)}</li>" for finding in part.findings)
    pieces = [head, f'<ul class="findings">{found}</ul>' if found else ""]
    pieces += [_figure(figure) for figure in part.figures]
    pieces += [_table(table) for table in part.tables]
    reach = ""
    if part.shows:
        reach += f'<div class="shows"><strong>What this shows</strong>{html_text(part.shows)}</div>'
    if part.not_shows:
        reach += f'<div class="hides"><strong>What it does not show</strong>{html_text(part.not_shows)}</div>'
    pieces.append(f'<div class="reach">{reach}</div>' if reach else "")
    return "\n".join(piece for piece in pieces if piece)


def _figure(figure: ReportFigure) -> str:
    pixels = draw_view(figure.view)
    content, kind = (_small(pixels), "jpeg") if figure.small else (png_bytes(pixels), "png")
    data = base64.b64encode(content).decode("ascii")
    caption = html_text(figure.caption)
    # Decoded when it comes into sight.
    image = f'<img alt="{caption}" loading="lazy" decoding="async" src="data:image/{kind};base64,{data}">'
    small = ' class="small"' if figure.small else ""
    name = html_text(figure.name)
    opener = f'<input type="checkbox" id="open-{name}" aria-label="open large: {caption}">'
    shown = f'{opener}<label for="open-{name}" title="open large, or close">{image}</label>'
    return f'<figure id="{name}"{small}>{shown}<figcaption>{caption}</figcaption></figure>'


def _small(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Returns a picture at most so many pixels wide, as JPEG; one that is smaller keeps its size."""
    longer = max(pixels.shape[:2]) * min(1.0, _SMALL_WIDTH / pixels.shape[1])
    return jpeg_bytes(resize_photo(pixels, max(1, round(longer))), quality=_SMALL_QUALITY)


def _table(table: ReportTable) -> str:
    # A column of numbers stands on its right edge.
    numbers = [
        place > 0 and all(_NUMBER.fullmatch(row[place]) for row in table.rows) for place in range(len(table.head))
    ]
    kinds = [' class="number"' if number else "" for number in numbers]
    head = "".join(f"<th{kind}>{html_text(cell)}</th>" for kind, cell in zip(kinds, table.head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, _cells(row, link), strict=True))
        + "</tr>"
        for row, link in zip(table.rows, table.links or [""] * len(table.rows), strict=True)
    )
    whole = f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    if table.folded:
        return f"<details><summary>{html_text(table.caption)}</summary>{whole}</details>"
    return (f'<p class="caption">{html_text(table.caption)}</p>' if table.caption else "") + whole


def _cells(row: Sequence[str], link: str) -> list[str]:
    cells = [html_text(cell) for cell in row]
    return [f'<a href="#{html_text(link)}">{cells[0]}</a>', *cells[1:]] if link else cells
