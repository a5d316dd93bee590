"""Pictures of words and FiLM as arrays: colours at known places, text files with the figures, parts that are left out."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import octoscope as osc
from octoscope.encodings.film_conditioning import compare_film, film_effect
from octoscope.encodings.word_stages import Stage, WordStages
from octoscope.errors import SelectionError
from octoscope.interventions.descriptions import UseInstruction
from octoscope.interventions.intervene import intervene
from octoscope.pictures.encoding_results import (
    POINTS,
    write_film_results,
    write_findings,
    write_pair_results,
    write_word_results,
)
from octoscope.pictures.film_pictures import render_film, render_film_pair
from octoscope.pictures.instruction_pair_pictures import action_line
from octoscope.pictures.word_encoding_pictures import render_word_likeness, render_word_paths, render_word_stages
from octoscope.render.color_scale import ColorScale
from octoscope.render.map_tile import render_map_tile
from octoscope.render.path_panel import PATH_COLORS, PlanePath, render_path_panel
from tiny_policies import images, tiny_episode, tiny_policy

WORDS = {"instruction": "pick up the red cube", "controls": 0}
NO_FILM_POINTS = [point for point in POINTS if point != "film.*"]


def test_paths_end_where_their_points_are():
    paths = [
        PlanePath(np.array([[0.0, 0.0], [1.0, 1.0]]), "up", PATH_COLORS[0]),
        PlanePath(np.array([[0.0, 0.0], [1.0, -1.0]]), "down", PATH_COLORS[1]),
    ]
    panel = render_path_panel(paths, stages=["a", "b"], title="t", x_label="x", y_label="y").astype(int)

    def middle(color):
        rows, columns = np.nonzero((np.abs(panel - np.array(color)) <= 2).all(axis=2)[:, :440])
        return np.median(rows), np.median(columns)

    up, down = middle(PATH_COLORS[0]), middle(PATH_COLORS[1])
    assert up[0] < down[0] - 100
    assert abs(up[1] - down[1]) < 10


def test_stages_are_named_beside_a_dot_or_not_at_all():
    paths = [PlanePath(np.array([[0.0, 0.0], [1.0, 1.0]]), "up", PATH_COLORS[0])]
    told = {"title": "", "x_label": "", "y_label": ""}
    without = render_path_panel(paths, stages=None, **told)
    named = render_path_panel(paths, stages=["WWW", "WWW"], **told)
    rows, columns = np.nonzero((named != without).any(axis=2))
    dots = np.stack(np.nonzero((np.abs(without.astype(int) - PATH_COLORS[0]) <= 2).all(axis=2)), axis=1)
    for row, column in zip(rows, columns, strict=True):
        assert np.hypot(*(dots - (row, column)).T).min() < 45
    crowded = [PlanePath(np.zeros((9, 2)), "still", PATH_COLORS[0])]
    # Four sides of one place have room for four names.
    assert render_path_panel(crowded, stages=[f"stage {n}" for n in range(9)], **told).shape == without.shape


def test_squares_tell_a_second_path_of_one_colour_from_the_first():
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    told = {"stages": None, "title": "", "x_label": "", "y_label": ""}
    round_, square = (
        render_path_panel([PlanePath(points, "", PATH_COLORS[0], square=kind)], **told) for kind in (False, True)
    )
    inked = [(np.abs(each.astype(int) - PATH_COLORS[0]) <= 2).all(axis=2).sum() for each in (round_, square)]
    assert inked[1] > 1.15 * inked[0]


def test_paths_that_never_move_are_drawn():
    still = PlanePath(np.zeros((3, 2)), "still", PATH_COLORS[0])
    panel = render_path_panel([still], stages=None, title="", x_label="", y_label="")
    assert (panel != 255).any()


def test_a_map_tile_shows_each_value_in_its_own_cell():
    scale = ColorScale(vmax=3.0, cmap="viridis")
    values = np.array([[0.0, 1.0], [2.0, np.nan]])
    tile = render_map_tile(values, title="", scale=scale, width=100)
    top = (tile.shape[0] - 100) // 2
    for row, column in np.ndindex(2, 2):
        seen = tile[top + 25 + 50 * row, 25 + 50 * column]
        np.testing.assert_array_equal(seen, scale.colors(values)[row, column])


@pytest.fixture(scope="module")
def runs(demo_model, demo_episode):
    return [
        osc.attend(demo_model, demo_episode, steps=[0, 1], instruction=words, encodings=NO_FILM_POINTS)
        for words in ("pick up the red cube", "pick up the blue cube")
    ]


def test_results_hold_every_picture_that_they_name(runs, tmp_path):
    parts = [
        write_word_results(runs[0], tmp_path, step=1),
        write_pair_results(*runs, tmp_path, step=1),
        write_film_results(runs[0], tmp_path),
    ]
    text = write_findings(tmp_path, runs[0], parts).read_text()
    for part in parts:
        assert part.sentences
        for name in part.pictures:
            assert f"({name})" in text
            with Image.open(tmp_path / name) as picture:
                assert min(picture.size) > 200
    assert "red \\| blue" in text
    assert "conditions no image encoder by FiLM" in text
    assert len((tmp_path / "words.csv").read_text().splitlines()) > 10


def test_one_word_and_one_stage_are_drawn(demo_run):
    words = WordStages(
        ("go",), tuple(Stage(name, "T5", name, np.ones((1, 4))) for name in ("embedding", "layer 0")), "words in front"
    )
    for render in (render_word_stages, render_word_likeness, render_word_paths):
        assert render(demo_run, words).ndim == 3


def test_many_words_and_layers_keep_the_page_within_reach(demo_run):
    rng = np.random.default_rng(0)
    stages = [
        Stage(f"layer {n}", space, f"{space}{n}", rng.normal(size=(16, 8)))
        for space in ("T5", "policy")
        for n in range(13)
    ]
    words = WordStages(tuple(f"w{n}" for n in range(16)), tuple(stages), "words in front")
    assert render_word_stages(demo_run, words).shape[1] < 1800
    assert render_word_likeness(demo_run, words).shape[1] < 2300
    one_space = render_word_likeness(demo_run, words, spaces=("policy",))
    assert one_space.shape[0] < 0.7 * render_word_likeness(demo_run, words).shape[0]


def test_runs_of_other_episodes_are_refused(runs, demo_run, tmp_path):
    elsewhere = dataclasses.replace(runs[1], manifest={**runs[1].manifest, "seed": 7})
    with pytest.raises(SelectionError, match="`seed` is 0 in one run and 7"):
        write_pair_results(runs[0], elsewhere, tmp_path)


def test_the_change_of_actions_is_that_of_an_intervention(demo_model, demo_episode, runs):
    other = osc.attend(demo_model, demo_episode, steps=[0, 1], instruction="pick up the red cube", seed=1)
    told = [
        intervene(demo_model, demo_episode, step, [UseInstruction("pick up the blue cube")], **WORDS).effects[0].size
        for step in (0, 1)
    ]
    line = action_line(*runs, other_noise=other)
    assert f"change actions by {np.mean(told):.2f} (root mean square" in line
    assert re.search(r"other noise with the same words, one draw a step, by [1-9]", line)
    assert "--other-noise" in action_line(*runs)
    with pytest.raises(SelectionError, match="another seed than 0"):
        write_pair_results(*runs, Path(), other_noise=runs[0])


def test_film_pages_show_the_strongest_channels(tmp_path):
    model = tiny_policy(
        tmp_path / "policy",
        {"primary": images("image_primary", film=["language_instruction"])},
        language=False,
        encodings=3,
    )
    found = []
    for condition in ([1.0, 0.0, 0.0], [0.0, 2.0, -1.0]):
        extras = {"language_embedding": np.tile(np.float32(condition), (2, 1))}
        episode = dataclasses.replace(tiny_episode(steps=2, instruction=""), extras=extras)
        found.append(osc.attend(model, episode, steps=[0], encodings="film.*"))
    effects = [film_effect(run) for run in found]
    assert render_film(found[0], effects[0]).ndim == 3
    assert render_film_pair(*found, compare_film(*effects)).ndim == 3
    part = write_film_results(found[0], tmp_path, second=found[1])
    assert part.pictures == ("film_primary.0.png", "film_primary.0_instructions.png")
    assert all((tmp_path / name).is_file() for name in part.pictures)
    assert f"{effects[0].strongest[0]} (by {effects[0].moved.max():.2f})" in part.sentences[1]
