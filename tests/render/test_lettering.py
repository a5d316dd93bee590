import numpy as np
import pytest
from PIL import Image

from octoscope.render.lettering import (
    ELLIPSIS,
    draw_text,
    missing_letters,
    printable,
    short_number,
    shortened,
    text_width,
    wrapped,
)

INSTRUCTION = "put the small orange carrot from the counter into the sink next to the silver pot"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u2581pick", "_pick"),
        ("step 3 \u2192 4", "step 3 -> 4"),
        ("caf\u00e9 e\u0301", "caf\u00e9 \u00e9"),
        ("\u4e2d\u6587 \u043c\u044f\u0447 \ube68", "\u4e2d\u6587 \u043c\u044f\u0447 \ube68"),
        ("\U0001d41b\ufb01", "b\ufb01"),
        ("two\nlines\tand\x00", "two lines and[U+0000]"),
        ("\u05e9\u05dc go \U0001f642", "[U+05E9 U+05DC] go [U+1F642]"),
        ("q\u0303 \u0928\u092e\u0938\u094d", "q[U+0303] [U+0928 U+092E U+0938 U+094D]"),
        ("\u202eout", "[U+202E]out"),
        ("0.1 \u2264 x", "0.1 <= x"),
        ("plain text", "plain text"),
    ],
)
def test_characters_that_no_face_has_are_shown_as_what_they_are(text: str, shown: str):
    assert printable(text) == shown


@pytest.mark.parametrize("width", [0, 5, 60, 200])
def test_shortened_text_fits(width: int):
    short = shortened(INSTRUCTION, width=width, size=14)
    assert text_width(short, 14) <= width
    assert short == "" or short.endswith(ELLIPSIS)


def test_text_that_fits_is_not_shortened():
    assert shortened("head 3", width=200, size=12) == "head 3"


def test_wrapped_lines_fit_and_lose_nothing_while_there_is_room():
    lines = wrapped(INSTRUCTION, width=200, size=14, most_lines=9)
    assert max(text_width(line, 14) for line in lines) <= 200
    assert " ".join(lines) == INSTRUCTION


def test_wrapped_text_without_room_ends_in_an_ellipsis():
    lines = wrapped(INSTRUCTION, width=200, size=14, most_lines=2)
    assert len(lines) == 2
    assert lines[-1].endswith(ELLIPSIS)


def test_one_endless_word_is_broken_and_at_last_shortened():
    lines = wrapped("a" * 300 + " b", width=100, size=12, most_lines=3)
    assert max(text_width(line, 12) for line in lines) <= 100
    assert len(lines) == 3
    assert lines[-1].endswith(ELLIPSIS)


def test_a_text_without_spaces_is_wrapped_and_loses_nothing():
    text = "\u628a\u80e1\u841d\u535c\u653e\u5728\u76d8\u5b50\u91cc" * 4
    lines = wrapped(text, width=100, size=14, most_lines=9)
    assert "".join(lines) == text
    assert len(lines) > 4
    assert max(text_width(line, 14) for line in lines) <= 100


def test_letters_of_all_faces_stand_on_one_baseline_and_differ():
    drawn = {}
    for letter in "ae\u00e9\u044f\u4e2d":
        canvas = Image.new("L", (40, 40), 255)
        colored = canvas.convert("RGB")
        draw_text(colored, (10, 30), letter, size=16, anchor="ls")
        drawn[letter] = np.asarray(colored)[..., 0] < 128
    feet = {letter: np.flatnonzero(ink.any(axis=1)).max() for letter, ink in drawn.items()}
    assert {feet[letter] for letter in "ae\u00e9\u044f"} <= {29, 30}
    assert len({ink.tobytes() for ink in drawn.values()}) == len(drawn)
    # The accent is there: it stands above the letter without one.
    assert np.flatnonzero(drawn["\u00e9"].any(axis=1)).min() < np.flatnonzero(drawn["e"].any(axis=1)).min() - 1


@pytest.mark.parametrize("anchor", ["la", "ls", "lm", "ms", "mm", "rs", "rm"])
@pytest.mark.parametrize("text", ["\u4e2d\u6587 red", "\u044f"])
def test_text_of_other_faces_is_anchored_as_ours(anchor: str, text: str):
    canvas = Image.new("RGB", (200, 80), "white")
    draw_text(canvas, (100, 40), text, size=16, anchor=anchor)
    rows, columns = np.nonzero(np.asarray(canvas)[..., 0] < 160)
    width = text_width(text, 16)
    left = {"l": 100, "m": 100 - width // 2, "r": 100 - width}[anchor[0]]
    assert left - 2 <= columns.min() <= columns.max() <= left + width + 2
    assert (
        {"a": 40, "m": 28, "s": 24}[anchor[1]] - 3 <= rows.min() <= rows.max() <= {"a": 60, "m": 52, "s": 45}[anchor[1]]
    )


def test_a_picture_says_that_letters_are_missing():
    assert missing_letters(["pick", "caf\u00e9 \u4e2d"]) == []
    (line,) = missing_letters(["pick", "put \u05d0\u05d1"])
    assert line.startswith("[U+05D0], ...: letters that no face")


def test_empty_text_has_no_lines():
    assert wrapped("  ", width=100, size=12, most_lines=3) == []


def test_text_is_painted_in_its_colour_where_it_was_put():
    canvas = Image.new("RGB", (100, 40), "white")
    draw_text(canvas, (50, 10), "mean", size=14, color=(200, 0, 0))
    pixels = np.asarray(canvas).astype(int)
    ink = (pixels[..., 1] < 200).nonzero()
    assert ink[1].min() >= 50
    assert pixels[..., 0].min() >= 195


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0014492, "0.0014"), (0.25, "0.25"), (150.0, "150"), (3e-7, "3e-7"), (-0.5, "-0.5")],
)
def test_short_numbers(value: float, text: str):
    assert short_number(value) == text
