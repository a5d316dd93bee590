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
from octoscope.render.chart import PATH_COLORS, Strip
from octoscope.render.color_scale import ColorScale
from octoscope.render.figures.figure import chart_figure
from octoscope.render.view import draw_view
from octoscope.views.encoding_results import (
    POINTS,
    write_film_results,
    write_findings,
    write_pair_results,
    write_word_results,
)
from octoscope.views.film_pictures import film_chart, film_pair_chart
from octoscope.views.instruction_pair_pictures import action_line
from octoscope.views.word_encoding_pictures import word_likeness_chart, word_paths_chart, word_stages_chart
from tiny_policies import images, tiny_episode, tiny_policy

WORDS = {"instruction": "pick up the red cube", "controls": 0}
NO_FILM_POINTS = [point for point in POINTS if point != "film.*"]


@pytest.fixture(scope="module")
def runs(demo_model, demo_episode):
    return [
        osc.attend(
            demo_model,
            demo_episode,
            steps=[0, 1],
            options=osc.WatchOptions(instruction=words, encodings=NO_FILM_POINTS),
        )
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


def hand_made_words(words=2, layers=2):
    rng = np.random.default_rng(0)
    stages = [
        Stage(f"layer {layer}", space, f"{space}{layer}", rng.normal(size=(words, 8)))
        for space in ("T5", "policy")
        for layer in range(layers)
    ]
    return WordStages(tuple(f"w{number}" for number in range(words)), tuple(stages), "words in front")


def test_stages_show_each_measure_of_each_word_without_a_first_movement(demo_run):
    words = hand_made_words()
    chart = word_stages_chart(demo_run, words)
    lengths = chart.panel("policy: length")
    vectors = [stage.encodings for stage in words.of_space("policy")]
    np.testing.assert_allclose(lengths.values, np.linalg.norm(vectors, axis=-1).T)
    assert (list(lengths.row_labels), list(lengths.column_labels)) == (["w0", "w1"], ["0", "1"])
    movement = chart.panel("policy: movement / length before").values
    assert np.isnan(movement[:, 0]).all()
    np.testing.assert_allclose(
        movement[:, 1], np.linalg.norm(vectors[1] - vectors[0], axis=-1) / np.linalg.norm(vectors[0], axis=-1)
    )
    cosines = chart.panel("T5: cosine to its start")
    assert cosines.values[:, 0] == pytest.approx(1.0)
    assert (cosines.scale.vmin, cosines.scale.vmax) == (-1.0, 1.0)
    for title in ("T5: cosine to its start", "policy: mean cosine to others", "policy: others, mean taken away"):
        assert chart.panel(title).scale.colors(np.zeros(1)).min() > 215, title
    apart = chart.panel("policy: others, mean taken away")
    assert apart.scale.vmax == -apart.scale.vmin == pytest.approx(np.abs(apart.values).max())
    assert word_stages_chart(demo_run, words, spaces=("policy",)).panels[0].title == "policy: length"


def test_likeness_is_the_cosine_of_every_two_words_on_one_scale(demo_run):
    words = hand_made_words()
    chart = word_likeness_chart(demo_run, words)
    first = words.of_space("T5")[0].encodings
    unit = first / np.linalg.norm(first, axis=-1, keepdims=True)
    grid = chart.panel("T5 layer 0")
    np.testing.assert_allclose(grid.values, unit @ unit.T)
    assert {panel.scale for panel in chart.panels} == {ColorScale.cosines()}
    scales = {(panel.scale.vmin, panel.scale.vmax) for panel in chart.panels}
    assert scales == {(-1.0, 1.0)}
    assert not any(panel.bar for panel in chart.panels[:-1])
    assert isinstance(chart.panels[-1], Strip)
    # Two words with their mean taken away point in opposite ways.
    assert chart.panel("T5 layer 0, mean taken away").values[0, 1] == pytest.approx(-1.0)


def test_one_word_and_one_stage_have_a_chart(demo_run):
    words = WordStages(
        ("go",), tuple(Stage(name, "T5", name, np.ones((1, 4))) for name in ("embedding", "layer 0")), "words in front"
    )
    assert word_stages_chart(demo_run, words).panel("T5: length").values.tolist() == [[2.0, 2.0]]
    assert word_likeness_chart(demo_run, words).panel("T5 layer 0").values == pytest.approx(1.0)
    assert draw_view(word_paths_chart(demo_run, words)).ndim == 3


def test_paths_are_placed_in_a_plane_and_told_apart(demo_run):
    words = hand_made_words(words=10)
    chart = word_paths_chart(demo_run, words, spaces=("policy",))
    as_is, centred = chart.panels
    assert (as_is.title, as_is.stages) == ("policy", ["0", "1"])
    # Paths around one middle go all ways: no place is that of a stage.
    assert centred.stages is None
    assert np.stack([path.points for path in centred.paths]).mean(axis=0) == pytest.approx(0.0, abs=1e-9)
    assert [path.square for path in as_is.paths] == [False] * 8 + [True] * 2
    assert as_is.paths[8].color == as_is.paths[0].color == PATH_COLORS[0]


def test_many_words_and_layers_keep_the_chart_within_reach(demo_run):
    words = hand_made_words(words=16, layers=13)
    for chart in (word_stages_chart(demo_run, words), word_likeness_chart(demo_run, words)):
        figure = chart_figure(chart)
        assert figure.get_size_inches()[0] * figure.dpi <= 1400
    whole, one_space = word_likeness_chart(demo_run, words), word_likeness_chart(demo_run, words, spaces=("policy",))
    # Six of thirteen stages in each space and way, and the scale.
    assert (len(whole.panels), len(one_space.panels)) == (25, 13)
    assert all(panel.numbers is False for panel in one_space.panels[:-1])


def test_runs_of_other_episodes_are_refused(runs, demo_run, tmp_path):
    elsewhere = dataclasses.replace(runs[1], manifest={**runs[1].manifest, "seed": 7})
    with pytest.raises(SelectionError, match="`seed` is 0 in one run and 7"):
        write_pair_results(runs[0], elsewhere, tmp_path)


def test_the_change_of_actions_is_that_of_an_intervention(demo_model, demo_episode, runs):
    other = osc.attend(
        demo_model, demo_episode, steps=[0, 1], options=osc.WatchOptions(instruction="pick up the red cube", seed=1)
    )
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
        found.append(osc.attend(model, episode, steps=[0], options=osc.WatchOptions(encodings="film.*")))
    effects = [film_effect(run) for run in found]
    strongest = effects[0].strongest[0]
    chart = film_chart(found[0], effects[0])
    assert chart.panel("strongest channels").values[0, 0] == effects[0].scale[strongest]
    before, after = chart.panel(f"channel {strongest}: before"), chart.panel("after")
    np.testing.assert_array_equal(before.maps[0, 0], effects[0].before[..., strongest])
    np.testing.assert_array_equal(after.maps[0, 0], effects[0].after[..., strongest])
    assert before.scale == after.scale
    change = chart.panel("change")
    np.testing.assert_allclose(change.maps, after.maps - before.maps)
    assert change.scale.vmin == -change.scale.vmax
    np.testing.assert_array_equal(chart.panel("primary, step 0").image, found[0].frame("primary", time=0))
    pair = compare_film(*effects)
    between = film_pair_chart(*found, pair).panel("strongest channels")
    assert between.values[:, 0].tolist() == [pair.scale_change[pair.strongest[0]], pair.shift_change[pair.strongest[0]]]
    part = write_film_results(found[0], tmp_path, second=found[1])
    assert part.pictures == ("film_primary.0.png", "film_primary.0_instructions.png")
    assert all((tmp_path / name).is_file() for name in part.pictures)
    assert f"{effects[0].strongest[0]} (by {effects[0].moved.max():.2f})" in part.sentences[1]
