"""What was read of the instruction, and which share a number is: said by every picture and command that shows a run."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hand_made_runs import even_weights, hand_made_layout, hand_made_run
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.runs.run import Run
from octoscope.studies.options.words import WordsOptions
from octoscope.studies.words import words
from octoscope.tokens.layout import TokenLayout, instruction_remarks
from octoscope.tokens.words import InstructionReading
from octoscope.views.attention_film import attention_film
from octoscope.views.attention_sheet import attention_sheet
from octoscope.views.named_object import named_object_lines, named_object_title
from octoscope.views.words_sheet import words_sheet

READING = InstructionReading("push ball", " to the wall", 2, ("ball",))
CUT = 'The policy reads only 2 word pieces of the instruction: "push ball". Cut off, and not read: "to the wall".'
UNKNOWN = 'Not in the policy\'s vocabulary, and read as one and the same piece <unk>: "ball".'


@pytest.fixture(scope="module")
def cut_run() -> Run:
    return hand_made_run(layout=dataclasses.replace(hand_made_layout(), reading=READING), steps=2)


def test_the_manifest_keeps_what_was_read_and_what_was_cut(cut_run):
    kept = cut_run.manifest["layout"]["reading"]
    assert (kept["read"], kept["cut"], kept["unknown"]) == ("push ball", " to the wall", ["ball"])
    assert TokenLayout.from_json(cut_run.manifest["layout"]).reading == READING
    older = {name: value for name, value in cut_run.manifest["layout"].items() if name != "reading"}
    assert instruction_remarks(TokenLayout.from_json(older)) == []


def test_sheets_films_and_word_sheets_say_it(cut_run):
    sheets = [attention_sheet(cut_run, step=1, layer=0), words_sheet(cut_run, step=1, layer=0)]
    sheets += attention_film(cut_run).frames
    assert len(sheets) == 4
    assert all(CUT in sheet.subtitle and UNKNOWN in sheet.subtitle for sheet in sheets)


def test_the_words_command_prints_it(cut_run, monkeypatch, tmp_path):
    monkeypatch.setattr(Run, "open", lambda path: cut_run)
    printed = []
    words(WordsOptions(Path("run.zarr"), steps="1", output=tmp_path), tell=lambda *lines: printed.extend(lines))
    assert CUT in printed
    assert UNKNOWN in printed


def test_a_title_and_the_lines_below_it_say_which_frames_they_sum():
    """One patch of four is the object, and attention is even: each of the two frames drawn gives it one key's weight."""
    named = np.zeros((32, 32), bool)
    named[:16, :16] = True
    run = hand_made_run(even_weights)
    maps = attention_maps(run, find_query(run.layout), step=2, layer=0)
    maps = [dataclasses.replace(found, named=named) for found in maps]
    one = float(maps[-1].weights[0, 0, 0])
    assert named_object_title(maps) == f", {2 * one:.1%} on the named object in all 2 frames drawn"
    assert named_object_title(maps[-1:]) == f", {one:.1%} on the named object in the frame drawn"
    (line,) = named_object_lines(maps)
    assert line.startswith("named object in the present frame of primary alone: 25.0% of the frame; ")
    assert f"{one:.1%} lies on it there" in line
