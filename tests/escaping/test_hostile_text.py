"""Hostile words, names and notes through everything that writes text: none becomes more than text."""

import ast
import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from hand_made_runs import hand_made_layout, hand_made_run
from octoscope.attention.head_table import HeadStatistic, HeadTable
from octoscope.attention.query import QueryRow
from octoscope.attention.share_table import share_table
from octoscope.attention.sinks import Sink, sink_table
from octoscope.escaping.csv_text import csv_text
from octoscope.escaping.html import html_json
from octoscope.escaping.markdown import markdown_text
from octoscope.escaping.terminal import say
from octoscope.faithfulness.drop_table import DropExample, DropTable
from octoscope.faithfulness.score_table import ExampleStep, FaithfulnessTable, Score
from octoscope.faithfulness.step_times import StepTimes
from octoscope.interventions.descriptions import UseInstruction
from octoscope.interventions.effects import Effect, StepEffects
from octoscope.policies.action_units import ActionUnits
from octoscope.policies.octo.checkup import Checkup
from octoscope.runs.column_table import ColumnTable
from octoscope.studies.ablate import effect_columns, effect_lines
from octoscope.studies.doctor import checkup_lines
from octoscope.studies.options.words import WordsOptions
from octoscope.studies.words import _write_patches
from octoscope.views.encoding_results import Findings, write_findings
from octoscope.views.report_content import Report, ReportPart, ReportTable
from octoscope.views.report_html import report_html
from octoscope.views.report_markdown import report_markdown

SOURCE = Path(__file__).parents[2] / "src" / "octoscope"
HOSTILE = (
    "<!--<script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![seen](http://example.org/x.png) <http://example.org>",
    "[ref]: javascript:alert(1)",
    "*bold* _slanted_ ~~struck~~ `code` $x$ &lt;b&gt; \\",
    "two\nlines\n# heading\n- item\n\n```\nfence",
    "# heading",
    "1. item",
    "---",
    "a|b||c",
    "\x1b[2J\x1b]0;title\x07\x9b1m\x00\x7f",
    "\u202ereversed\u202c \u2028 \ud800 \ufeff",
    "=HYPERLINK(A1)",
    "+1+cmd",
    "-2+3",
    " @SUM(A1)",
    "\t=1+1",
    "\uff1d1+1",
)
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]")


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_for_spreadsheets_compute_nothing(text, tmp_path):
    for name, written in _csv_writers(text, tmp_path).items():
        rows = list(csv.reader(io.StringIO(written)))
        assert len({len(row) for row in rows}) == 1, name
        assert not UNSEEN.search(written), name
        for cell in (cell for row in rows for cell in row):
            assert cell == "-" or not re.match(r"\s*[=+\-@\uff1d]", cell) or np.isfinite(float(cell)), (name, cell)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_makes_no_tag_link_or_heading_of_it(text, tmp_path):
    pages = _markdown_writers(text, tmp_path)
    plain = _markdown_writers("plain", tmp_path)
    for name, page in pages.items():
        assert not UNSEEN.search(page), name
        assert _structure(page) == _structure(plain[name]), name


@pytest.mark.parametrize("text", HOSTILE)
def test_a_reader_of_markdown_sees_the_very_text(text):
    shown = "".join(token.content for token in _inline(markdown_text(f"told {text}")))
    seen = shown.replace("\\n", "\n").replace("\\t", "\t")
    kept = "".join(character for character in f"told {text}" if not UNSEEN.match(character) or character == "\t")
    assert re.sub(r"\\u[0-9a-f]{4}", "", seen).strip() == kept.strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_html_pages_hold_it_as_text(text):
    page, plain = report_html(_report(text)), report_html(_report("plain"))
    assert re.findall(r"<[^>]*>", page) == re.findall(r"<[^>]*>", plain)
    assert not UNSEEN.search(page)
    data = html_json({"task": text, "also": [text]})
    assert not re.search("[<>&\u2028\u2029]", data)
    assert json.loads(data) == {"task": text, "also": [text]}


@pytest.mark.parametrize("text", HOSTILE)
def test_the_terminal_is_not_steered(text, capsys):
    checkup = Checkup(text, {text: text, "list": [text], "map": {text: text}}, {}, (text,), (text,))
    say(text, f"told {text}", *checkup_lines(checkup), *effect_lines(_effects(text)))
    printed = capsys.readouterr().out
    printed.encode("utf-8")
    assert not UNSEEN.search(printed)
    capsys.readouterr()
    say(text, "next")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_numbers_and_minus_signs_stay_what_they_are_in_tables():
    cells = ["-0.5", "+1.25", "-1e-05", "-inf", "nan", "-", -3, -0.25, None]
    rows = list(csv.reader(io.StringIO(csv_text([cells]))))
    assert rows == [["-0.5", "+1.25", "-1e-05", "-inf", "nan", "-", "-3", "-0.25", ""]]


def test_text_of_other_scripts_is_left_alone(capsys):
    text = "\u628a\u80e1\u841d\u535c caf\u00e9 \u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0645\u06cc\u200c\u0631\u0648\u062f"
    say(text)
    assert capsys.readouterr().out == f"{text}\n"
    assert markdown_text(text) == text
    assert csv_text([[text]]) == f"{text}\n"


def test_only_the_functions_of_each_medium_write_it():
    """Everything goes through `octoscope.escaping`: no other file prints, writes CSV, or escapes for itself."""
    others = [path for path in SOURCE.rglob("*.py") if path.parent.name != "escaping"]
    for path in others:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        named = {
            "print",
            "csv.writer",
            "csv.DictWriter",
            "sys.stdout.write",
            "sys.stderr.write",
            "html.escape",
            "escape",
        }
        assert not named & set(calls), path
    for page in SOURCE.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), page


def _csv_writers(text: str, folder: Path) -> dict[str, str]:
    run = _run(text)
    share_table(run).columns().write(folder, "shares")
    _write_patches(WordsOptions(Path("run.zarr")), run, folder / "patches.csv", [1], [0], [None])
    effect_columns([_effects(text)]).write(folder, "effects")
    files = {name: (folder / name).read_text(encoding="utf-8") for name in ("shares.csv", "patches.csv", "effects.csv")}
    return files | {
        "columns": ColumnTable({text: [text, "-0.5"], "value": [-0.5, float("nan")]}).to_csv(),
        "heads": _head_table(text).columns().to_csv(),
    }


def _markdown_writers(text: str, folder: Path) -> dict[str, str]:
    findings = write_findings(folder, _run(text), [Findings(text, (text, f'"{text}"'), ("a (1).png",), ("p.html",))])
    score = Score(0.5, 0.4, 0.6, 10)
    drop = DropTable(
        policy=text,
        note=text,
        dataset=text,
        episodes=1,
        steps=1,
        scores=("random",),
        how="mask",
        fractions=(1.0,),
        errors=[[score]],
        noise_floor=score,
        times=StepTimes(np.full((5, 1), 0.1)),
        tokens=(5,),
        example=DropExample(text, 0, text, (1.0,), {}, {}),
    )
    faith = FaithfulnessTable(
        policy=text,
        note=text,
        dataset=text,
        settings=["Said."],
        episodes=1,
        steps=1,
        fractions=np.zeros(1),
        methods=[],
        example=ExampleStep(text, 0, text, {}, {}),
    )
    return {
        "report": report_markdown(_report(text)),
        "findings": findings.read_text(encoding="utf-8"),
        "heads": _head_table(text).to_markdown(),
        "sinks": sink_table([Sink(0, 7, text, 0.1, 20.0, 0.02)]),
        "drop": drop.to_markdown(),
        "scores": faith.to_markdown(),
    }


def _report(text: str) -> Report:
    table = ReportTable([text, "change"], [[text, "0.2"], ["c", text]], text)
    part = ReportPart("part", text, text, text, [text], [], [table], text, text)
    absent = ReportPart("absent", text, text, missing=text)
    return Report(text, text, [("seed", text)], [part, absent], [text])


def _head_table(text: str) -> HeadTable:
    statistic = HeadStatistic(text, "", text, np.zeros((1, 1)))
    return HeadTable(QueryRow("g", (0,), text), text, (0,), (0,), (statistic,), np.zeros((1, 1, 1)), (text,))


def _effects(text: str) -> StepEffects:
    change = np.full((1, 2), -0.5)
    effect = Effect(UseInstruction(text), change, None, 0.5, np.zeros(0), {}, {}, text)
    units = ActionUnits((text, "b"), ("", ""), (1.0, 1.0))
    moves = np.ones(2, bool)
    return StepEffects(
        text, text, text, 0, text, 0, change, None, units, moves, (effect,), np.ones(1), np.ones(2), {}, text, (text,)
    )


def _run(text: str):
    layout = hand_made_layout(pieces=("\u2581push", f"\u2581{text}", "<pad>"))
    run = hand_made_run(layout=layout, steps=2)
    named = dict.fromkeys(("policy", "policy_note", "episode", "dataset", "instruction"), text)
    extra = {"policy_sha256": "ab" * 32, "seed": 0, "dtype": "float16"}
    return dataclasses.replace(run, manifest={**run.manifest, **extra, **named})


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _structure(page: str) -> list[str]:
    """Returns the kinds of everything in a page that is no text."""
    kinds: list[str] = []
    for token in _parser().parse(page):
        kinds.append(token.type)
        kinds += [child.type for child in token.children or () if child.type not in ("text", "text_special")]
    return kinds


def _inline(line: str):
    (inline,) = [token for token in _parser().parse(line) if token.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    return inline.children
