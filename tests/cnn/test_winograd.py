"""Winograd's convolution: equal to the direct one, both ways, and closer to float64 than anyone needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.cnn.networks import winograd
from octoscope.cnn.networks.graph import GraphNetwork, in_sequence
from octoscope.cnn.networks.steps import TRANSFORMED, Conv, Relu
from octoscope.cnn.networks.winograd import winograd_convolution, winograd_kernel


def direct(maps, kernel):
    return jax.lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def both_ways(convolution, maps, kernel, cotangent):
    def both(maps, kernel, cotangent):
        convolved, pull = jax.vjp(lambda maps: convolution(maps, kernel), maps)
        return convolved, pull(cotangent)[0]

    return jax.jit(both)(maps, kernel, cotangent)


def through_winograd(maps, kernel):
    return winograd_convolution(maps, winograd_kernel(kernel))


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


# Maps that end within a tile, several pictures at once and one by one, strips of a picture, a single row.
@pytest.mark.parametrize(
    ("size", "chunk"), [((1, 8, 8), 1000), ((3, 9, 14), 100), ((2, 21, 10), 40), ((2, 1, 5), 1000)]
)
def test_it_is_the_direct_convolution_both_ways_in_float64(size, chunk, monkeypatch):
    monkeypatch.setattr(winograd, "_CHUNK", chunk)
    with jax.enable_x64(True):
        maps, kernel, cotangent = (jnp.asarray(array) for array in arrays((*size, 3), (3, 3, 3, 4), (*size, 4)))
        expected, pulled = both_ways(direct, maps, kernel, cotangent)
        found, pulled_fast = both_ways(through_winograd, maps, kernel, cotangent)
        np.testing.assert_allclose(found, expected, atol=1e-11)
        np.testing.assert_allclose(pulled_fast, pulled, atol=1e-11)


def test_a_deep_gradient_in_float32_is_within_a_thousandth_of_float64():
    shapes = [(3, 3, 3, 64), (3, 3, 64, 128), (3, 3, 128, 64)]
    names = [f"conv{number}" for number in range(len(shapes))]
    steps = [step for name in names for step in ((name, Conv()), (f"relu_{name}", Relu()))]
    kernels = [kernel * np.sqrt(2 / np.prod(kernel.shape[:3])) for kernel in arrays(*shapes)]
    images = arrays((1, 16, 16, 3))[0]

    def gradient(dtype: str) -> tuple[np.ndarray, GraphNetwork]:
        weights = {name: {"kernel": jnp.asarray(kernel, dtype)} for name, kernel in zip(names, kernels, strict=True)}
        network = GraphNetwork("deep", in_sequence(*steps), weights, (16, 16))
        shape = network.activation(jnp.asarray(images, dtype), names[-1]).shape
        pulled = network.pull_back(jnp.asarray(images, dtype), names[-1], jnp.ones(shape, dtype))
        return np.asarray(pulled, np.float64), network

    found, network = gradient("float32")
    assert [TRANSFORMED in network.forward_to(names[-1]).parameters[name] for name in names[:2]] == [False, True]
    with jax.enable_x64(True):
        exact, network = gradient("float64")
        assert TRANSFORMED not in network.forward_to(names[-1]).parameters[names[1]]
    assert np.sqrt(np.mean((found - exact) ** 2)) <= 1e-3 * np.sqrt(np.mean(exact**2))


def test_only_kernels_that_gain_are_transformed():
    kernels = {
        (3, 3, 64, 128): Conv(),
        (3, 3, 128, 64): Conv(padding=((1, 1), (1, 1))),
        (3, 3, 64, 63): Conv(),
        (3, 3, 3, 128): Conv(),
        (1, 1, 128, 128): Conv(),
        (3, 3, 128, 127): Conv(strides=(2, 2)),
        (3, 3, 128, 126): Conv(padding="VALID"),
    }
    found = [TRANSFORMED in conv.transformed({"kernel": jnp.zeros(shape)}) for shape, conv in kernels.items()]
    assert found == [True, True, False, False, False, False, False]
