"""FiLM in a run: scale and shift as the parameters make them, what moves most, and the sentence where there is none."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.encodings.film_conditioning import NO_FILM, compare_film, film_effect, film_layers, film_statement
from octoscope.errors import SelectionError
from tiny_policies import images, tiny_episode, tiny_policy


def film_episode(condition):
    episode = tiny_episode(steps=2, instruction="")
    extras = {"language_embedding": np.tile(np.float32(condition), (2, 1))}
    return dataclasses.replace(episode, extras=extras)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_policy(
        tmp_path_factory.mktemp("film") / "policy",
        {"primary": images("image_primary", film=["language_instruction"])},
        language=False,
        encodings=3,
    )


@pytest.fixture(scope="module")
def runs(model):
    conditions = ([1.0, 0.0, 0.0], [0.0, 2.0, -1.0])
    return [
        osc.attend(model, film_episode(one), options=osc.WatchOptions(dtype="float32", encodings="film.*"))
        for one in conditions
    ]


def test_scale_and_shift_are_the_dense_layers_of_the_condition(model, runs):
    effect = film_effect(runs[0], step=1)
    layer = model.params["octo_transformer"]["observation_tokenizers_primary"]["PatchEncoder_0"]["FilmConditioning_0"]
    for found, name in ((effect.scale, "Dense_0"), (effect.shift, "Dense_1")):
        held = layer[name]
        np.testing.assert_allclose(found, np.asarray(held["kernel"])[0] + np.asarray(held["bias"]), atol=1e-6)
    np.testing.assert_allclose(effect.after, effect.before * (1 + effect.scale) + effect.shift, atol=1e-5)


def test_the_strongest_channel_is_the_one_moved_most(runs):
    effect = film_effect(runs[0], step=0)
    change = effect.after - effect.before
    by_hand = [float(np.sqrt(np.mean(np.square(change[..., channel])))) for channel in range(change.shape[-1])]
    np.testing.assert_allclose(effect.moved, by_hand, rtol=1e-6)
    assert effect.strongest[0] == int(np.argmax(by_hand))
    still = dataclasses.replace(effect, after=effect.before)
    assert still.moved_part == 0


def test_two_instructions_share_the_maps_before(runs):
    first, second = (film_effect(run, step=1) for run in runs)
    np.testing.assert_array_equal(first.before, second.before)
    pair = compare_film(first, second)
    expected = first.before * pair.scale_change + pair.shift_change
    np.testing.assert_allclose(second.after - first.after, expected, atol=1e-5)
    np.testing.assert_allclose(pair.moved, np.sqrt(np.square(expected).mean(axis=(0, 1))), rtol=1e-4)
    with pytest.raises(SelectionError, match="of one layer and step"):
        compare_film(first, film_effect(runs[1], step=0))


def test_a_run_says_whether_there_is_film(model, runs, demo_run):
    assert film_layers(runs[0]) == ("primary.0",)
    assert film_statement(runs[0]) == "FiLM conditions the image encoders at primary.0."
    assert film_statement(demo_run) == NO_FILM
    with pytest.raises(SelectionError, match="conditions no image encoder by FiLM"):
        film_effect(demo_run)
    bare = osc.attend(model, film_episode([0.0, 0.0, 0.0]), steps=[0])
    with pytest.raises(SelectionError, match=r"holds none of it: make one with --encodings 'film\.\*'"):
        film_effect(bare)
    with pytest.raises(SelectionError, match=r"Did you mean 'primary\.0'"):
        film_effect(runs[0], layer="primary.1")
