"""A report as pages: everything is there once, nothing is fetched, and what is typed is not taken for markup."""

import base64
import io
import re

import numpy as np
from PIL import Image

from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import draw_view
from octoscope.views.report_content import Report, ReportFigure, ReportPart, ReportTable
from octoscope.views.report_html import report_html
from octoscope.views.report_markdown import report_markdown

FRAME = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
VIEW = Sheet("What changes", [SheetRow("", [Tile("recorded", FRAME)])])
PART = ReportPart(
    "ablation",
    "What changes <the> action?",
    'Told "push | pull".',
    "The largest change is 0.80.",
    findings=["3 of 4."],
    figures=[ReportFigure("sheet", VIEW, "Bars & strokes.")],
    tables=[ReportTable(["what", "change", "why"], [["a | b", "0.80", "words"], ["c", "-", "more"]])],
    shows="This step.",
    not_shows="Others.",
)
ABSENT = ReportPart("language", "Do the words matter?", "", missing="This policy takes no words.")
REPORT = Report(
    "A policy", "RANDOM WEIGHTS", [("seed", "0"), ("checkpoint", "sha256 ab")], [PART, ABSENT], ["Open loop."]
)


def test_the_page_holds_its_pictures_and_fetches_nothing():
    page = report_html(REPORT)
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    inside = {"#ablation", "#language", "#caveats"}
    assert {source.split(",")[0] for source in sources} == {*inside, "data:image/png;base64"}
    assert "<script" not in page
    assert "@import" not in page
    data = next(source for source in sources if source.startswith("data:")).split(",")[1]
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), draw_view(VIEW))


def test_an_index_leads_to_every_part_also_to_what_is_missing():
    page = report_html(REPORT)
    index = re.search(r"<nav>(.*?)</nav>", page)
    assert index is not None
    links = re.findall(r'<a href="#(\w+)"( class="absent")?>([^<]*)</a>', index[1])
    assert links == [
        ("ablation", "", "What changes &lt;the&gt; action?"),
        ("language", ' class="absent"', "Do the words matter?"),
        ("caveats", "", "What holds for all of it"),
    ]
    assert all(page.count(f'id="{name}"') == 1 for name, _, _ in links)


def test_every_picture_opens_by_a_click_and_lies_in_the_page_once():
    page = report_html(REPORT)
    opener = (
        '<input type="checkbox" id="open-sheet" aria-label="open large: Bars &amp; strokes."><label for="open-sheet"'
    )
    assert page.count(opener) == page.count("<img") == page.count("data:image") == 1
    (label,) = re.findall(r"<label [^>]*>(.*?)</label>", page)
    assert label.startswith("<img ")
    style = re.search(r"figure input:checked \+ label \{([^}]*)\}", page)
    assert style is not None
    assert "position: fixed" in style[1]


def test_every_sentence_is_on_both_pages():
    pages = report_html(REPORT), report_markdown(REPORT)
    for sentence in (
        *("RANDOM WEIGHTS", "The largest change is 0.80.", "3 of 4.", "This step.", "Others.", "Open loop."),
        *("Not shown: This policy takes no words.", "sha256 ab"),
    ):
        assert all(sentence in page for page in pages), sentence
    assert "What changes &lt;the&gt; action?" in pages[0]
    assert "<the>" not in pages[0]
    assert "![Bars & strokes.](pictures/sheet.png)" in pages[1]
    assert "(pictures/sheet.svg)" in report_markdown(REPORT, figure_format="svg")
    assert r"| a \| b | 0.80 | words |" in pages[1]


def test_columns_of_numbers_stand_on_their_right_edge():
    page = report_html(REPORT)
    assert '<td class="number">0.80</td>' in page
    assert '<td class="number">-</td>' in page
    assert "<td>words</td>" in page
