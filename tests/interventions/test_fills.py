"""Fills: only the hole changes, nothing of it is left, and flat colours stay flat; interventions as typed."""

import numpy as np
import pytest

from octoscope.errors import SelectionError
from octoscope.interventions.descriptions import CoverPatches, MaskKeys, ReplaceWord
from octoscope.interventions.effects import action_change
from octoscope.interventions.fills import FILLS, blurred, fill_pixels
from octoscope.policies.action_units import action_units
from octoscope.studies.intervention_specs import parse_fills, parse_intervention


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.fixture
def hole():
    hole = np.zeros((40, 56), bool)
    hole[0:18, 30:50] = True
    return hole


@pytest.mark.parametrize("fill", FILLS)
def test_nothing_outside_the_hole_changes(picture, hole, fill):
    filled = fill_pixels(picture, hole, fill)
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert (filled[hole] != picture[hole]).mean() > 0.9


@pytest.mark.parametrize("fill", ["grey", "black", "surroundings"])
def test_what_was_in_the_hole_leaves_no_trace(picture, hole, fill):
    other = picture.copy()
    other[hole] = 255 - other[hole]
    np.testing.assert_array_equal(fill_pixels(picture, hole, fill), fill_pixels(other, hole, fill))


def test_the_surroundings_of_everything_are_grey(picture):
    everything = np.ones(picture.shape[:2], bool)
    assert (fill_pixels(picture, everything, "surroundings") == 127).all()


def test_a_hole_takes_the_colour_that_is_near():
    halves = np.zeros((32, 64, 3), np.uint8)
    halves[:, 32:] = 200
    hole = np.zeros((32, 64), bool)
    hole[10:20, 6:14] = hole[10:20, 50:58] = True
    filled = fill_pixels(halves, hole, "surroundings")
    assert (filled[hole][:80] < 5).sum() + (filled[10:20, 50:58] > 195).sum() >= 240
    assert (filled[10:20, 6:14] < 5).all()


def test_a_blur_agrees_with_scipy(picture):
    ndimage = pytest.importorskip("scipy.ndimage")
    inner = (slice(16, 24), slice(24, 32))
    theirs = ndimage.gaussian_filter(picture.astype(np.float64), (56 / 16, 56 / 16, 0), truncate=8)
    # At the edges they repeat pixels, we take the mean of those that are there.
    np.testing.assert_allclose(blurred(picture)[inner], theirs[inner], atol=1.5)


def test_interventions_as_typed():
    assert parse_intervention("cover:wrist:0,1+2,3", fills=["blur"]) == [
        CoverPatches("wrist", ((0, 1), (2, 3)), "blur")
    ]
    assert parse_intervention("mask:word:red", fills=["grey"]) == [MaskKeys(words=("red",))]
    assert parse_intervention("mask:primary:1,1", fills=["grey"]) == [MaskKeys("primary", ((1, 1),))]
    assert parse_intervention("mask:group:obs_wrist", fills=["grey"]) == [MaskKeys(group="obs_wrist")]
    assert parse_intervention("replace:red=dark blue", fills=["grey"]) == [ReplaceWord("red", "dark blue")]
    assert [found.label for found in parse_intervention("remove:-2", fills=["grey"])] == ["timestep -2 removed"]
    assert parse_fills(["blur", "grey"]) == ["grey", "blur"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coverr:primary:0,0", "Did you mean 'cover'"),
        ("cover:primary", "is incomplete"),
        ("cover:primary:1;2", "row,column"),
        ("remove:last", "is incomplete"),
        ("shuffle:3", "is incomplete"),
    ],
)
def test_what_is_no_intervention_is_refused(text, message):
    with pytest.raises(SelectionError, match=message):
        parse_intervention(text, fills=["grey"])
    with pytest.raises(SelectionError, match="Did you mean 'blur'"):
        parse_fills(["blurr"])


def test_units_and_sizes():
    assert action_units("tabletop", 7).scale[:3] == (0.05, 0.05, 0.05)
    assert action_units("elsewhere", 2, units=["m", "deg"]).labels() == ["0 (m)", "1 (deg)"]
    with pytest.raises(ValueError, match="one unit for each of 2"):
        action_units("elsewhere", 2, units=["m"])
    assert action_change(np.zeros((2, 2)), np.array([[[0.0, 2.0], [0.0, 0.0]]])).tolist() == [1.0]
