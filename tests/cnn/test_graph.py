"""Networks as graphs: gradients, ReLU rules, names, cutting, and the networks that are built from them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_network

from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import check_filters, find_layer
from octoscope.cnn.networks.steps import GlobalMax, GroupNorm, MaxPool
from octoscope.cnn.networks.vgg16 import vgg16_network
from octoscope.errors import SelectionError


def test_the_gradient_is_that_of_finite_differences_in_float64():
    with jax.enable_x64(True):
        network = small_network()
        weights = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), dict(network.weights))
        network = GraphNetwork("small", network.nodes, weights, network.input_size, network.mean, network.std)
        rng = np.random.default_rng(1)
        image = rng.uniform(0, 255, (1, 12, 12, 3))
        cotangent = jnp.asarray(rng.normal(size=(1, 6, 6, 5)))
        gradient = network.pull_back(jnp.asarray(image), "relu2", cotangent)
        direction = rng.normal(size=image.shape)

        def score(step: float) -> float:
            return float(jnp.sum(network.activation(jnp.asarray(image + step * direction), "relu2") * cotangent))

        slope = (score(1e-4) - score(-1e-4)) / 2e-4
        assert float(jnp.sum(gradient * direction)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("rule", ["plain", "guided", "deconvnet"])
def test_relu_rules_are_those_of_the_formula(rule: Any):
    network = small_network()
    rng = np.random.default_rng(2)
    image = jnp.asarray(rng.uniform(0, 255, (1, 12, 12, 3)), jnp.float32)
    cotangent = rng.normal(size=(1, 12, 12, 4)).astype(np.float32)
    before = np.asarray(network.activation(image, "conv1"))
    passes = {"plain": before > 0, "guided": (before > 0) & (cotangent > 0), "deconvnet": cotangent > 0}[rule]
    expected = network.pull_back(image, "conv1", jnp.asarray(np.where(passes, cotangent, 0)))
    got = network.pull_back(image, "relu1", jnp.asarray(cotangent), rule)
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "pool", "padding"),
    [
        ((1, 6, 8, 3), MaxPool(), ((0, 0), (0, 0))),
        ((2, 4, 4, 1), MaxPool(), ((0, 0), (0, 0))),
        ((2, 7, 6, 3), MaxPool(3, 2), ((0, 0), (0, 0))),
        ((1, 7, 6, 3), MaxPool(3, 2, ceil=True), ((0, 0), (0, 1))),
        ((1, 7, 6, 3), MaxPool(3, 2, same=True), "SAME"),
        ((1, 5, 9, 2), MaxPool(2, 3), ((0, 0), (0, 0))),
    ],
)
def test_the_own_gradient_of_a_pool_is_the_librarys(shape, pool, padding):
    # Distinct values: among equals the two may choose differently.
    maps = jnp.asarray(np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape), jnp.float32)

    def reference(maps: jax.Array) -> jax.Array:
        size, steps = (1, pool.window, pool.window, 1), (1, pool.stride, pool.stride, 1)
        edges = padding if padding == "SAME" else ((0, 0), *padding, (0, 0))
        return jax.lax.reduce_window(maps, -jnp.inf, jax.lax.max, size, steps, edges)

    pooled, pull = jax.vjp(lambda maps: pool({}, [maps], "plain"), maps)
    expected, pull_expected = jax.vjp(reference, maps)
    cotangent = jnp.asarray(np.random.default_rng(1).normal(size=pooled.shape), jnp.float32)
    np.testing.assert_array_equal(np.asarray(pooled), np.asarray(expected))
    np.testing.assert_array_equal(np.asarray(pull(cotangent)[0]), np.asarray(pull_expected(cotangent)[0]))


def test_of_equals_in_a_pool_the_first_gets_the_gradient():
    for pool, size in ((MaxPool(), 2), (MaxPool(3, 2), 3)):
        _, pull = jax.vjp(lambda maps, pool=pool: pool({}, [maps], "plain"), jnp.ones((1, size, size, 1)))
        assert np.asarray(pull(jnp.ones((1, 1, 1, 1)))[0]).ravel().tolist() == [1] + [0] * (size * size - 1)


def test_a_pool_that_rounds_up_counts_the_last_partial_window():
    maps = jnp.arange(16.0).reshape(1, 4, 4, 1)
    assert MaxPool(3, 2, ceil=True)({}, [maps], "plain").shape == (1, 2, 2, 1)
    assert MaxPool(3, 2)({}, [maps], "plain").shape == (1, 1, 1, 1)


def test_global_max_and_group_norm():
    maps = jnp.asarray(np.random.default_rng(0).normal(size=(1, 3, 3, 4)), jnp.float32)
    assert GlobalMax()({}, [maps], "plain").shape == (1, 1, 1, 4)
    normal = GroupNorm(groups=2)({"scale": jnp.ones(4), "bias": jnp.zeros(4)}, [maps], "plain")
    assert float(normal[..., :2].mean()) == pytest.approx(0, abs=1e-6)
    assert float(normal[..., 2:].std()) == pytest.approx(1, abs=1e-3)


def test_edits_give_gradients_at_a_layer_and_start_from_stored_activations():
    network = small_network()
    image = jnp.asarray(np.random.default_rng(3).uniform(0, 255, (1, 12, 12, 3)), jnp.float32)
    cut = network.forward_to("conv2")
    stored = network.activation(image, "pool1")
    again = cut.apply(cut.parameters, image * 0, edits={"pool1": lambda _: stored})
    np.testing.assert_allclose(np.asarray(again), np.asarray(network.activation(image, "conv2")), atol=1e-5)


def test_a_cut_holds_only_what_leads_to_the_layer():
    assert set(small_network().forward_to("relu1").parameters) == {"conv1"}


def test_vgg16_has_torchvisions_indices():
    weights = {}
    into = 3
    for block, (convs, out) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for number in range(1, convs + 1):
            shapes = {"kernel": (3, 3, into, out), "bias": (out,)}
            weights[f"conv{block}_{number}"] = {name: jnp.zeros(shape) for name, shape in shapes.items()}
            into = out
    network = vgg16_network(weights)
    names = {
        "0": "conv1_1",
        "2": "conv1_2",
        "10": "conv3_1",
        "17": "conv4_1",
        "24": "conv5_1",
        "features.28": "conv5_3",
    }
    assert {alias: find_layer(network, alias).name for alias in names} == names
    assert find_layer(network, "24") == find_layer(network, "conv5_1")
    assert find_layer(network, "29").name == "relu5_3"
    assert find_layer(network, "4").kind == "max_pool"
    assert [
        len([layer for layer in network.layers if layer.kind == kind]) for kind in ("conv", "relu", "max_pool")
    ] == [13, 13, 5]


def test_unknown_layers_and_filters_are_refused_with_a_way_out():
    network = small_network()
    with pytest.raises(SelectionError, match=r"no layer 'conv22'.*Did you mean 'conv2'.*conv2 \(3\)"):
        find_layer(network, "conv22")
    with pytest.raises(SelectionError, match=r"0\.\.4 at layer conv2, got 5"):
        check_filters(find_layer(network, "3"), [5])
