"""Networks small enough to check by hand or by finite differences."""

import jax.numpy as jnp
import numpy as np

from octoscope.cnn.networks.graph import GraphNetwork, in_sequence
from octoscope.cnn.networks.steps import Conv, MaxPool, Relu


def small_network(seed: int = 0) -> GraphNetwork:
    """Two convolutions with a pool between, random weights, 12 x 12 pictures."""
    rng = np.random.default_rng(seed)

    def conv(into: int, out: int) -> dict[str, jnp.ndarray]:
        kernel = rng.normal(0, 0.4, (3, 3, into, out))
        return {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.asarray(rng.normal(0, 0.2, out), jnp.float32)}

    nodes = in_sequence(
        ("conv1", Conv()),
        ("relu1", Relu()),
        ("pool1", MaxPool()),
        ("conv2", Conv()),
        ("relu2", Relu()),
        aliases={"conv2": ("3",)},
    )
    return GraphNetwork("small", nodes, {"conv1": conv(3, 4), "conv2": conv(4, 5)}, (12, 12), (120.0,) * 3, (60.0,) * 3)


def edge_network() -> GraphNetwork:
    """Filter 0 answers where it is dark left and bright right, filter 1 to nothing at all, filter 2 to bright above dark."""
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[:, 0, :, 0], kernel[:, 2, :, 0] = -1, 1
    kernel[0, :, :, 2], kernel[2, :, :, 2] = 1, -1
    weights = {"edges": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray([0.0, -1.0, 0.0])}}
    return GraphNetwork(
        "edges", in_sequence(("edges", Conv()), ("relu", Relu())), weights, (16, 16), (127.5,) * 3, (127.5,) * 3
    )
