"""Saliency methods against finite differences and slow implementations written from the formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_network

from octoscope.cnn.networks.objectives import mean_of, neuron_of
from octoscope.cnn.networks.watched_forward import as_image
from octoscope.cnn.saliency.integrated_gradients import integrated_gradients
from octoscope.cnn.saliency.relu_rules import deconvnet, guided_backprop, plain_gradient
from octoscope.cnn.saliency.saliency import METHODS, filter_saliency
from octoscope.cnn.saliency.saliency_target import strongest_unit
from octoscope.cnn.saliency.saliency_views import saliency_view
from octoscope.cnn.saliency.smooth_grad import smooth_grad
from octoscope.errors import ObservationError, SelectionError

NETWORK = small_network()
PICTURE = np.random.default_rng(3).uniform(0, 255, (12, 12, 3)).astype(np.float32)
# Filters of relu2 that the picture switches on.
LIVE = [
    number
    for number, value in enumerate(
        np.asarray(NETWORK.activation(jnp.asarray(PICTURE)[None], "relu2")).max(axis=(0, 1, 2)).tolist()
    )
    if value > 0
]


def slow_convolution(maps, kernel):
    rows, columns, _ = maps.shape
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            out[row, column] = np.einsum("ijc,ijcf->f", padded[row : row + 3, column : column + 3], kernel)
    return out


def slow_convolution_back(cotangent, kernel):
    rows, columns, _ = cotangent.shape
    padded = np.zeros((rows + 2, columns + 2, kernel.shape[2]))
    for row in range(rows):
        for column in range(columns):
            padded[row : row + 3, column : column + 3] += np.einsum("f,ijcf->ijc", cotangent[row, column], kernel)
    return padded[1:-1, 1:-1]


def slow_saliency(picture, filter_number, rule):
    """The small network by loops in float64: conv, ReLU, pool, conv, ReLU, mean; and back by a rule."""
    weights = {
        name: {part: np.asarray(array, np.float64) for part, array in held.items()}
        for name, held in NETWORK.weights.items()
    }
    seen = (picture.astype(np.float64) - 120.0) / 60.0
    first = slow_convolution(seen, weights["conv1"]["kernel"]) + weights["conv1"]["bias"]
    positive = np.maximum(first, 0)
    pooled = positive.reshape(6, 2, 6, 2, 4).max(axis=(1, 3))
    second = slow_convolution(pooled, weights["conv2"]["kernel"]) + weights["conv2"]["bias"]

    def through_relu(cotangent, before):
        if rule == "plain":
            return cotangent * (before > 0)
        return np.maximum(cotangent, 0) * ((before > 0) if rule == "guided" else 1.0)

    cotangent = np.zeros_like(second)
    cotangent[..., filter_number] = 1 / 36
    cotangent = slow_convolution_back(through_relu(cotangent, second), weights["conv2"]["kernel"])
    unpooled = np.zeros_like(positive)
    for row in range(6):
        for column in range(6):
            for channel in range(4):
                window = positive[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
                down, across = np.unravel_index(window.argmax(), (2, 2))
                unpooled[2 * row + down, 2 * column + across, channel] = cotangent[row, column, channel]
    return slow_convolution_back(through_relu(unpooled, first), weights["conv1"]["kernel"]) / 60.0


@pytest.mark.parametrize(
    ("method", "rule"), [(plain_gradient, "plain"), (guided_backprop, "guided"), (deconvnet, "deconvnet")]
)
def test_each_rule_is_that_of_its_formula(method, rule):
    found = method(NETWORK, PICTURE, "relu2", [mean_of(number) for number in range(5)])
    assert sum(np.abs(one.values).max() > 0 for one in found) >= 2
    for number, one in enumerate(found):
        np.testing.assert_allclose(one.values, slow_saliency(PICTURE, number, rule), rtol=1e-4, atol=1e-7)


def test_the_gradient_is_that_of_finite_differences_in_float64():
    cut = NETWORK.forward_to("relu2")
    with jax.enable_x64():
        weights = jax.tree.map(lambda array: jnp.asarray(np.asarray(array, np.float64)), cut.parameters)

        def score(picture):
            return float(cut.apply(weights, jnp.asarray(picture)[None])[0, ..., LIVE[0]].mean())

        picture = PICTURE.astype(np.float64)
        gradient = jax.grad(lambda seen: cut.apply(weights, seen[None])[0, ..., LIVE[0]].mean())(jnp.asarray(picture))
        for place in np.random.default_rng(0).integers(0, (12, 12, 3), (12, 3)):
            step = np.zeros_like(picture)
            step[tuple(place)] = 1e-5
            slope = (score(picture + step) - score(picture - step)) / 2e-5
            assert slope == pytest.approx(float(gradient[tuple(place)]), abs=1e-8)
    ours = plain_gradient(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])])[0].values
    np.testing.assert_allclose(ours, np.asarray(gradient), rtol=1e-4, atol=1e-7)


def test_many_filters_in_chunks_are_each_filter_alone():
    together = filter_saliency(NETWORK, PICTURE, "conv2", [4, 0, 2], method="guided")
    for one, number in zip(together, [4, 0, 2], strict=True):
        alone = guided_backprop(NETWORK, PICTURE, "conv2", [mean_of(number)])[0]
        np.testing.assert_allclose(one.values, alone.values, atol=1e-7)
    many = [mean_of(number % 5) for number in range(11)]
    found = guided_backprop(NETWORK, PICTURE, "conv2", many)
    assert len(found) == 11
    np.testing.assert_allclose(found[9].values, found[4].values, atol=1e-7)


def test_integrated_gradients_add_up():
    for baseline in ("mean", "black", "white"):
        (one,) = integrated_gradients(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])], steps=200, baseline=baseline)
        assert one.gap < 0.02
        assert baseline in one.note
        assert (one.forwards, one.backwards) == (202, 200)


def test_integrated_gradients_take_more_steps_until_they_add_up():
    def explained(**settings):
        return integrated_gradients(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])], **settings)[0]

    coarse, fine = explained(steps=1, tolerance=1e9), explained(steps=1, tolerance=1e-12)
    assert (coarse.backwards, fine.backwards) == (1, 27)
    assert coarse.gap > 0.01 > fine.gap
    assert f"gap {fine.gap:.1%}" in fine.note
    np.testing.assert_allclose(fine.values, explained(steps=27, tolerance=1e9).values, rtol=1e-4, atol=1e-7)
    between = explained(steps=1, tolerance=(coarse.gap + fine.gap) / 2)
    assert between.backwards > 1
    assert between.gap <= (coarse.gap + fine.gap) / 2
    with pytest.raises(SelectionError, match="tolerance above 0"):
        explained(tolerance=0.0)


def test_smooth_grad_without_noise_is_the_gradient_and_with_noise_is_its_mean():
    plain = plain_gradient(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])])[0]
    still = smooth_grad(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])], samples=2, noise=0.0)[0]
    np.testing.assert_allclose(still.values, plain.values, atol=1e-8)
    assert still.score == pytest.approx(plain.score)
    noisy = [smooth_grad(NETWORK, PICTURE, "relu2", [mean_of(LIVE[0])], samples=3, seed=5)[0].values for _ in range(2)]
    np.testing.assert_array_equal(*noisy)
    rng, mean = np.random.default_rng(5), 0
    for _ in range(3):
        moved = PICTURE + rng.normal(0, 0.15 * np.ptp(PICTURE), PICTURE.shape).astype(np.float32)
        mean = mean + plain_gradient(NETWORK, moved, "relu2", [mean_of(LIVE[0])])[0].values / 3
    np.testing.assert_allclose(noisy[0], mean, atol=1e-7)


def test_the_strongest_unit_and_a_unit_by_its_place():
    activation = np.asarray(NETWORK.activation(jnp.asarray(PICTURE)[None], "conv2"))[0]
    unit = strongest_unit(activation[..., 2])
    strongest = filter_saliency(NETWORK, PICTURE, "conv2", [2], objective="strongest")[0]
    assert strongest.objective == neuron_of(2, unit)
    assert strongest.score == pytest.approx(float(activation[..., 2].max()), rel=1e-5)
    placed = filter_saliency(NETWORK, PICTURE, "conv2", [2], objective="unit", unit=unit)[0]
    np.testing.assert_array_equal(placed.values, strongest.values)


def test_views_have_the_values_that_their_definitions_say():
    values = np.array([[[1.0, -2.0, 0.0], [4.0, 0.0, -1.0]]])
    assert saliency_view(values, "color").picture[0, 1].tolist() == [255, 128, 96]
    assert saliency_view(values, "gray").picture[0].tolist() == [[153] * 3, [255] * 3]
    assert saliency_view(values, "positive").picture[0].tolist() == [[64, 0, 0], [255, 0, 0]]
    assert saliency_view(values, "negative").picture[0].tolist() == [[0, 255, 0], [0, 0, 128]]
    cut = saliency_view(values, "positive", percentile=80.0)
    assert cut.clipped
    assert ">" in cut.scale
    assert not saliency_view(values, "positive").clipped
    empty = saliency_view(np.zeros((2, 2, 3)), "negative")
    assert (empty.scale, int(empty.picture.max())) == ("all zero", 0)


def test_bad_input_gets_a_sentence():
    with pytest.raises(SelectionError, match="Did you mean 'relu2'"):
        filter_saliency(NETWORK, PICTURE, "relu22", [0])
    with pytest.raises(SelectionError, match=r"`filter` must be in 0\.\.4 at layer relu2, got 5"):
        filter_saliency(NETWORK, PICTURE, "relu2", [5])
    with pytest.raises(SelectionError, match=f"Did you mean 'guided'.*{', '.join(METHODS)}"):
        filter_saliency(NETWORK, PICTURE, "relu2", [0], method="guide")
    with pytest.raises(SelectionError, match="needs a row and a column"):
        filter_saliency(NETWORK, PICTURE, "relu2", [0], objective="unit")
    with pytest.raises(SelectionError, match=r"`column` of a unit must be in 0\.\.5"):
        filter_saliency(NETWORK, PICTURE, "relu2", [0], objective="unit", unit=(1, 6))
    with pytest.raises(ObservationError, match="must be RGB"):
        as_image(PICTURE[..., 0])
    with pytest.raises(ObservationError, match="must be RGB"):
        as_image(np.zeros((12, 12, 4)))
    with pytest.raises(SelectionError, match="at least 1 sample"):
        smooth_grad(NETWORK, PICTURE, "relu2", [mean_of(0)], samples=0)
    with pytest.raises(SelectionError, match="at least 1 step"):
        integrated_gradients(NETWORK, PICTURE, "relu2", [mean_of(0)], steps=0)
