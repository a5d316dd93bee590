import numpy as np
import pytest
from PIL import Image

from octoscope.render.lettering import (
    ELLIPSIS,
    draw_rising_text,
    draw_text,
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
        ("caf\u00e9", "cafe"),
        ("\u4e2d\u6587", "??"),
        ("two\nlines\tand\x00", "two lines and?"),
        ("0.1 \u2264 x", "0.1 <= x"),
        ("plain text", "plain text"),
    ],
)
def test_characters_outside_the_font_are_replaced_visibly(text: str, shown: str):
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


def test_one_endless_word_is_shortened():
    lines = wrapped("a" * 300 + " b", width=100, size=12, most_lines=3)
    assert max(text_width(line, 12) for line in lines) <= 100


def test_empty_text_has_no_lines():
    assert wrapped("  ", width=100, size=12, most_lines=3) == []


def test_text_is_painted_in_its_colour_where_it_was_put():
    canvas = Image.new("RGB", (100, 40), "white")
    draw_text(canvas, (50, 10), "mean", size=14, color=(200, 0, 0))
    pixels = np.asarray(canvas).astype(int)
    ink = (pixels[..., 1] < 200).nonzero()
    assert ink[1].min() >= 50
    assert pixels[..., 0].min() >= 195


def test_rising_text_reads_upwards():
    canvas = Image.new("RGB", (40, 100), "white")
    draw_rising_text(canvas, (20, 90), "L.........", size=14)
    rows = (np.asarray(canvas)[..., 0] < 128).sum(axis=1)
    # The L, and with it most of the ink, is the first letter: at the bottom.
    assert rows[75:91].sum() > rows[:75].sum() / 2
    assert np.flatnonzero(rows).max() in range(85, 91)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0014492, "0.0014"), (0.25, "0.25"), (150.0, "150"), (3e-7, "3e-7"), (-0.5, "-0.5")],
)
def test_short_numbers(value: float, text: str):
    assert short_number(value) == text
