"""The ResNet encoder and the 32-pixel stem against the same networks in NumPy, loops over places and all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.policies.octo.network.resnet import ViTResnet
from octoscope.policies.octo.network.stems import SmallStem32

CONDITION = np.random.default_rng(1).normal(size=(1, 5)).astype(np.float32)


def windows(x, size, stride, low, high, fill=0.0):
    x = np.pad(x, ((low, high), (low, high), (0, 0)), constant_values=fill)
    places = range(0, len(x) - size + 1, stride)
    return np.stack([[x[i : i + size, j : j + size] for j in places] for i in places])


def same(size, stride):
    """What SAME pads before and after an even side."""
    total = max(size - stride, 0)
    return total // 2, total - total // 2


def std_conv(p, x, stride=1, padding=None):
    kernel = p["kernel"] - p["kernel"].mean((0, 1, 2))
    kernel = kernel / (kernel.std((0, 1, 2)) + 1e-5)
    size = len(kernel)
    return np.einsum("ijabc,abcd->ijd", windows(x, size, stride, *(padding or same(size, stride))), kernel) + p.get(
        "bias", 0
    )


def norm(p, x):
    grouped = x.reshape(*x.shape[:2], 32, -1)
    mean, var = grouped.mean((0, 1, 3), keepdims=True), grouped.var((0, 1, 3), keepdims=True)
    return ((grouped - mean) / np.sqrt(var + 1e-6)).reshape(x.shape) * p["scale"] + p["bias"]


def film(p, x):
    scale, shift = (CONDITION[0] @ p[name]["kernel"] + p[name]["bias"] for name in ("Dense_0", "Dense_1"))
    return x * (1 + scale) + shift


def unit(p, x, stride):
    residual = norm(p["gn_proj"], std_conv(p["conv_proj"], x, stride)) if "conv_proj" in p else x
    y = np.maximum(norm(p["gn1"], std_conv(p["conv1"], x)), 0)
    y = np.maximum(norm(p["gn2"], std_conv(p["conv2"], y, stride)), 0)
    return np.maximum(residual + norm(p["gn3"], std_conv(p["conv3"], y)), 0)


def resnet(params, image, num_layers):
    x = np.maximum(norm(params["gn_root"], std_conv(params["conv_root"], image / 127.5 - 1, 2)), 0)
    x = windows(x, 3, 2, *same(3, 2), fill=-np.inf).max((2, 3))
    for i, units in enumerate(num_layers):
        for j in range(units):
            x = unit(params[f"block{i + 1}"][f"unit{j + 1}"], x, 2 if i and j == 0 else 1)
        if i:
            x = film(params[f"FilmConditioning_{i - 1}"], x)
    return x


def stem(params, image):
    x = image / 127.5 - 1
    for i in range(4):
        x = np.maximum(norm(params[f"GroupNorm_{i}"], std_conv(params[f"StdConv_{i}"], x, 2, (1, 1))), 0)
    embedding = params["embedding"]
    patches = np.einsum("ijabc,abcd->ijd", windows(x, 2, 2, 0, 0), embedding["kernel"]) + embedding["bias"]
    return film(params["FilmConditioning_0"], patches)


@pytest.mark.parametrize(
    ("encoder", "by_hand"),
    [
        (ViTResnet(use_film=True, width=0.5, num_layers=(2, 1)), lambda p, image: resnet(p, image, (2, 1))),
        (SmallStem32(use_film=True, features=(32, 32, 64, 32), num_features=8), stem),
    ],
    ids=["ViTResnet", "SmallStem32"],
)
def test_encoder_equals_one_written_in_numpy(encoder, by_hand):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.float32)
    inputs = jnp.asarray(image)[None], jnp.asarray(CONDITION)
    params = jax.jit(encoder.init)(jax.random.key(0), *inputs)["params"]
    # Scales and FiLM that start at zero would hide what they multiply.
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda leaf: np.asarray(leaf + 0.3 * rng.normal(size=leaf.shape), np.float32), params)
    got = jax.jit(encoder.apply)({"params": params}, *inputs)[0]
    expected = by_hand(jax.tree.map(lambda leaf: leaf.astype(np.float64), params), image.astype(np.float64))
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-3)
