"""Activation maximisation: known filters are recovered, knobs do what they say, the same seed gives the same picture."""

import os
import signal
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import edge_network, small_network

from octoscope.cnn.filters.filter_picture import FilterPicture
from octoscope.cnn.filters.maximization import maximize_filters
from octoscope.cnn.filters.maximization_settings import CLASSIC, CLEAR, DREAM, MaximizationSettings
from octoscope.cnn.filters.picture_space import Fourier, Pixels, gaussian_blur
from octoscope.cnn.filters.transforms import Views
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Cut
from octoscope.cnn.networks.objectives import (
    MIDDLE,
    Objective,
    direction_of,
    fold_affine,
    mean_of,
    neuron_of,
    sum_of,
    weight_maps,
)
from octoscope.errors import SelectionError

STILL = Views()
PIXEL = MaximizationSettings(steps=8, space="pixel", learning_rate=0.1, views=STILL)


def only(
    settings: MaximizationSettings, objective: Objective | int = 0, layer: str = "relu2", **more: Any
) -> FilterPicture:
    return maximize_filters(small_network(), layer, objectives=[objective], settings=settings, **more)[0]


class Outside:
    """A network of which octoscope knows only what the protocol says, as of one that runs outside jax."""

    def __init__(self, network: GraphNetwork) -> None:
        for name in ("name", "note", "input_size", "mean", "std", "layers", "class_names", "activation", "pull_back"):
            setattr(self, name, getattr(network, name))

    def forward_to(self, layer: str) -> Cut:
        raise AssertionError("it cannot be cut")


@pytest.mark.parametrize(
    "settings",
    [replace(CLASSIC, steps=5), replace(CLEAR, steps=5, octaves=1), replace(DREAM, steps=3, octaves=2)],
    ids=["classic", "clear", "octaves"],
)
def test_a_network_that_runs_outside_jax_gives_the_same_pictures(settings):
    expected = maximize_filters(small_network(), "relu2", objectives=[0, 2], settings=settings)
    found = maximize_filters(Outside(small_network()), "relu2", objectives=[0, 2], settings=settings)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.levels, other.levels, atol=0.05)
        assert one.steps == other.steps


def test_an_edge_detector_set_by_hand_is_recovered():
    settings = replace(PIXEL, steps=30, keep_in_range=True)
    picture = maximize_filters(edge_network(), "edges", objectives=[neuron_of(0, (8, 8))], settings=settings)[0]
    patch = picture.levels[7:10, 7:10]
    assert patch[:, 0].max() < 1
    assert patch[:, 2].min() > 254
    assert picture.largest == pytest.approx(18.0, rel=1e-3)
    # Nothing else of the picture matters to that unit.
    assert 105 < picture.levels[:5].mean() < 150


def test_a_dead_filter_is_found_and_a_live_one_is_not():
    pictures = maximize_filters(edge_network(), "relu", objectives=[0, 1, 2], settings=PIXEL)
    assert [picture.dead for picture in pictures] == [False, True, False]


def test_a_filter_that_noise_leaves_off_is_woken_before_it_is_called_dead():
    network = edge_network()
    # Switched on by a strong edge (18), never by noise around mid-grey.
    weights = {"edges": {**network.weights["edges"], "bias": jnp.asarray([-8.0, -1.0, 0.0])}}
    settings = replace(PIXEL, steps=30, keep_in_range=True)
    off = maximize_filters(replace(network, weights=weights), "relu", objectives=[0, 1], settings=settings)
    assert [picture.dead for picture in off] == [False, True]
    assert off[0].largest > 5


def test_a_unit_that_is_off_is_woken_though_others_of_its_filter_are_on():
    start = np.full((16, 16, 3), 40, np.float32)
    # An edge that switches the filter on, and the opposite one under the middle unit.
    start[:, 4:8] = 200
    settings = replace(PIXEL, steps=30, keep_in_range=True)
    (picture,) = maximize_filters(edge_network(), "relu", objectives=[neuron_of(0)], settings=settings, start=start)
    assert (picture.dead, picture.start_score, picture.score > 1) == (False, 0.0, True)


@pytest.mark.parametrize(
    "settings", [PIXEL, replace(CLEAR, steps=6, views=Views(pad=2, jitter=2, rotate=5.0, scale=0.1))]
)
def test_scores_rise(settings: MaximizationSettings):
    picture = only(settings)
    assert picture.score > picture.start_score


def test_the_same_seed_gives_the_same_picture_whatever_is_made_beside_it():
    alone = maximize_filters(small_network(), "relu2", objectives=[2], settings=replace(PIXEL, chunk=1))
    among = maximize_filters(small_network(), "relu2", objectives=[0, 2, 1], settings=replace(PIXEL, chunk=1))
    np.testing.assert_array_equal(alone[0].levels, among[1].levels)
    together = maximize_filters(small_network(), "relu2", objectives=[0, 2, 1], settings=replace(PIXEL, chunk=2))
    np.testing.assert_allclose(alone[0].levels, together[1].levels, atol=0.05)
    other = only(replace(PIXEL, seed=1), 2)
    assert np.abs(other.levels - alone[0].levels).mean() > 1


def test_the_classic_preset_is_the_published_loop():
    """Adam at 0.1 on the normalised picture, weight decay added to the gradient, from whole numbers of 150..179."""
    network = small_network()
    picture = maximize_filters(network, "conv2", objectives=[1], settings=replace(CLASSIC, steps=1, snapshot_every=1))[
        0
    ]
    start = picture.snapshots[0].astype(np.float32)
    assert (start.min() >= 150, start.max() <= 179) == (True, True)
    picture = maximize_filters(network, "conv2", objectives=[1], settings=replace(CLASSIC, steps=5))[0]
    params = jnp.asarray((start[None] - 120) / 60)
    first = second = jnp.zeros_like(params)
    for count in range(1, 6):

        def loss(params: jax.Array) -> jax.Array:
            return -jnp.mean(network.activation(params * 60 + 120, "conv2")[..., 1])

        gradient = jax.grad(loss)(params) + 1e-6 * params
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        params = params - 0.1 * (first / (1 - 0.9**count)) / (jnp.sqrt(second / (1 - 0.999**count)) + 1e-8)
    np.testing.assert_allclose(picture.levels, np.asarray(params * 60 + 120)[0], atol=0.05)


@pytest.mark.parametrize(
    "objective",
    [mean_of(1), neuron_of(2, (1, 3)), sum_of([0, 4]), direction_of(np.array([0.5, 0.0, -1.0, 0.0, 2.0]), MIDDLE)],
)
def test_folding_the_last_convolution_leaves_the_gradient_as_it_is(objective: Objective):
    network = small_network()
    cut = network.forward_to("conv2")
    image = jnp.asarray(np.random.default_rng(4).uniform(0, 255, (1, 12, 12, 3)), jnp.float32)
    maps = weight_maps([objective], (6, 6, 5))
    shorter, folded = fold_affine(
        network.program.up_to("conv2"), cut.parameters, maps, jax.ShapeDtypeStruct(image.shape, image.dtype)
    )
    assert shorter.nodes[-1].name == "pool1"
    whole = jax.grad(lambda image: jnp.sum(cut.apply(cut.parameters, image) * maps))(image)
    quick = jax.grad(lambda image: jnp.sum(shorter(cut.parameters, image) * folded))(image)
    np.testing.assert_allclose(np.asarray(quick), np.asarray(whole), rtol=1e-4, atol=1e-8)


def roughness(levels: np.ndarray) -> float:
    return float(np.abs(np.diff(levels, axis=0)).mean() + np.abs(np.diff(levels, axis=1)).mean())


def test_blurring_and_total_variation_make_pictures_smoother():
    plain = roughness(only(PIXEL).levels)
    assert roughness(only(replace(PIXEL, blur_every=2, blur_sigma=1.0)).levels) < 0.7 * plain
    assert roughness(only(replace(PIXEL, total_variation=100.0)).levels) < plain


def test_l2_pulls_towards_mid_grey_and_weight_decay_towards_the_networks_mean():
    bright = np.full((12, 12, 3), 250, np.float32)
    plain = only(PIXEL, start=bright).levels
    grey = only(replace(PIXEL, l2=1e4), start=bright).levels
    assert np.abs(grey - 127.5).mean() < np.abs(plain - 127.5).mean()
    decayed = only(replace(PIXEL, weight_decay=1e3), start=bright).levels
    assert np.abs(decayed - 120).mean() < np.abs(plain - 120).mean()


def test_clipping_bounds_the_step_of_the_picture_and_normalising_sets_it():
    slow = replace(PIXEL, optimizer="sgd", steps=1, learning_rate=1.0)
    start = np.full((12, 12, 3), 130, np.float32) + np.arange(12, dtype=np.float32)[:, None, None]

    def step(settings: MaximizationSettings) -> np.ndarray:
        return only(settings, start=start).levels - start

    # A step of sgd is rate * gradient by the normalised picture (std 60), and the picture moves by std times that.
    unit = 60 * 60 / 255
    assert np.sqrt(np.mean(step(replace(slow, normalize_gradient=True)) ** 2)) == pytest.approx(unit, rel=1e-3)
    clipped = replace(slow, normalize_gradient=True, clip_gradient=0.5)
    assert np.sqrt(np.sum(step(clipped) ** 2)) == pytest.approx(0.5 * unit, rel=1e-3)


def test_keep_in_range_keeps_what_otherwise_leaves_it():
    wild = replace(PIXEL, learning_rate=2.0)
    picture = only(wild)
    assert picture.cut_off > 0.1
    assert only(replace(wild, keep_in_range=True)).cut_off == 0
    # Both scores are the network's own, of the two pictures.
    network = small_network()
    for levels, score in ((picture.levels, picture.score), (picture.shown, picture.shown_score)):
        activation = np.asarray(network.activation(jnp.asarray(levels[None], jnp.float32), "relu2"))
        assert activation[0, :, :, 0].mean() == pytest.approx(score, rel=1e-4)
    assert abs(picture.score - picture.shown_score) > 0.05 * abs(picture.score)


def test_views_move_pictures_as_they_say():
    picture = jnp.zeros((1, 9, 9, 3)).at[0, 4, 6].set(255.0)
    ground = jnp.zeros(3)

    def place(views: Views, seed: int) -> tuple[int, ...]:
        seen = np.asarray(views(picture, jax.random.key(seed), ground))[0, :, :, 0]
        return tuple(int(number) for number in np.unravel_index(seen.argmax(), seen.shape))

    assert Views(pad=3)(picture, jax.random.key(0), ground).shape == (1, 15, 15, 3)
    assert place(Views(pad=3), 0) == (7, 9)
    assert {place(Views(jitter=1), seed) for seed in range(20)} <= {
        (row, column) for row in (3, 4, 5) for column in (5, 6, 7)
    }
    assert len({place(Views(jitter=1), seed) for seed in range(20)}) > 3
    far = {place(Views(rotate=90.0), seed) for seed in range(12)}
    assert all(1 <= np.hypot(row - 4, column - 4) <= 3 for row, column in far)
    assert len(far) > 2
    grown = np.asarray(Views(scale=0.5)(jnp.ones((1, 9, 9, 3)), jax.random.key(3), jnp.full(3, 7.0)))
    assert grown.shape == (1, 9, 9, 3)


def test_outside_a_turned_picture_lies_the_ground():
    seen = Views(pad=4)(jnp.full((1, 4, 4, 3), 200.0), jax.random.key(0), jnp.full(3, 50.0))
    assert float(seen[0, 0, 0, 0]) == 50.0


@pytest.mark.parametrize("space", [Fourier(10, 12), Fourier(9, 7, decorrelated=False), Pixels((10.0,) * 3, (3.0,) * 3)])
def test_a_picture_survives_its_parameters(space: Fourier | Pixels):
    size = (space.height, space.width) if isinstance(space, Fourier) else (8, 8)
    levels = jnp.asarray(np.random.default_rng(0).uniform(2, 253, (2, *size, 3)), jnp.float32)
    np.testing.assert_allclose(np.asarray(space.levels(space.from_levels(levels))), np.asarray(levels), atol=0.05)


def test_blurring_a_spectrum_is_blurring_the_picture():
    space = Fourier(32, 32)
    levels = jnp.asarray(np.random.default_rng(0).uniform(100, 150, (1, 32, 32, 3)), jnp.float32)
    spectral = np.asarray(space.levels(space.blurred(space.from_levels(levels), 1.5)))[0, 8:-8, 8:-8]
    np.testing.assert_allclose(spectral, np.asarray(gaussian_blur(levels, 1.5))[0, 8:-8, 8:-8], atol=1.0)


def test_octaves_end_at_the_size_asked_for_and_a_dream_keeps_its_picture():
    start = np.random.default_rng(0).uniform(60, 190, (24, 24, 3)).astype(np.float32)
    settings = replace(DREAM, steps=2, octaves=2, octave_scale=2.0, views=STILL)
    picture = only(settings, start=start)
    assert picture.levels.shape == (24, 24, 3)
    assert picture.steps == 4
    assert np.corrcoef(picture.levels.ravel(), start.ravel())[0, 1] > 0.8
    assert np.abs(picture.levels - start).mean() > 0.5


def test_snapshots_are_kept_from_first_to_last():
    picture = only(replace(PIXEL, steps=6, snapshot_every=2))
    assert len(picture.snapshots) == 4
    np.testing.assert_array_equal(picture.snapshots[-1], picture.shown)


def test_an_interrupt_keeps_what_is_there():
    calls = []

    def press_once(count: int) -> None:
        calls.append(count)
        if len(calls) == 11:
            os.kill(os.getpid(), signal.SIGINT)

    settings = replace(PIXEL, chunk=1)
    pictures = maximize_filters(small_network(), "relu2", objectives=[0, 1, 2], settings=settings, progress=press_once)
    assert [picture.steps for picture in pictures] == [8, 3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 0}, "`steps` must be at least 1"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"space": "fourier", "octaves": 3}, "pixel"),
        ({"views": Views(pad=-3)}, "must be at least 0"),
        ({"views": Views(jitter=-1)}, "must be at least 0"),
        ({"views": Views(rotate=float("nan"))}, "must be at least 0"),
        ({"views": Views(scale=1.0)}, "`scale` in 0..1 without 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], says: str):
    with pytest.raises(SelectionError, match=says):
        only(replace(PIXEL, **change))


def test_units_outside_the_map_are_refused():
    with pytest.raises(SelectionError, match=r"`column` of a unit must be in 0\.\.5"):
        only(PIXEL, neuron_of(0, (2, 9)))
