"""The small network inside the package: which kinds of object stand on the table, learnt from simulated scenes.

Fully convolutional, 128 x 128 pixels: the layer `kinds` has one channel for each colour and shape and says where it is; `logits`
is its largest value. `factory.demo.train_cnn` trains it; the card beside its weights says how well it does.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from octoscope.cnn.networks.graph import GraphNetwork, Node, in_sequence
from octoscope.cnn.networks.steps import Conv, GlobalMax, MaxPool, Relu, Step, Weights
from octoscope.embedded.files import cnn_directory
from octoscope.embedded.table_names import COLOURS, SHAPES

WEIGHTS_FILE = "table_kinds.npz"
# Name, kernel size, stride and output channels of each convolution; "pool" is a 2 x 2 max pool.
_CONVS = (
    ("conv1", 7, 2, 24),
    ("conv2", 3, 1, 32),
    ("pool2", 2, 2, 0),
    ("conv3", 3, 1, 48),
    ("conv4", 3, 1, 48),
    ("pool4", 2, 2, 0),
    ("conv5", 3, 1, 64),
    ("conv6", 3, 1, 64),
)
KINDS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)


def load_embedded_network() -> GraphNetwork:
    """Returns the embedded network with its learnt weights.

    >>> load_embedded_network().layers[0]
    Layer(name='conv1', kind='conv', channels=24, size=(64, 64), aliases=('0',))
    """
    with np.load(cnn_directory() / WEIGHTS_FILE) as file:
        weights: dict[str, dict[str, jnp.ndarray]] = {}
        for key in file:
            node, name = key.split("/")
            weights.setdefault(node, {})[name] = jnp.asarray(file[key], jnp.float32)
    return table_network(weights)


def table_network(weights: Mapping[str, Weights]) -> GraphNetwork:
    """Returns the network with the given weights: `kernel` and `bias` of each convolution, by its name."""
    note = "trained on simulated table-tops only"
    return GraphNetwork(
        "embedded", _nodes(), weights, (128, 128), (127.5,) * 3, (127.5,) * 3, note=note, class_names=KINDS
    )


def initial_weights(rng: np.random.Generator) -> dict[str, dict[str, jnp.ndarray]]:
    """Returns random weights to start training from (He et al., 2015); biases 0."""
    weights, channels = {}, 3
    for name, kernel, _, out in (*_CONVS, ("kinds", 1, 1, len(KINDS))):
        if not out:
            continue
        shape = (kernel, kernel, channels, out)
        kernels = rng.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape)
        # An object of one kind is in one cell of two thousand: start from that, or the first steps learn only this.
        bias = np.full(out, -7.0 if name == "kinds" else 0.0)
        weights[name] = {"kernel": jnp.asarray(kernels, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}
        channels = out
    return weights


def _nodes() -> tuple[Node, ...]:
    steps: list[tuple[str, Step]] = []
    for name, kernel, stride, out in _CONVS:
        if not out:
            steps.append((name, MaxPool()))
            continue
        around = (kernel // 2, kernel // 2)
        steps += [(name, Conv((stride, stride), (around, around))), (name.replace("conv", "relu"), Relu())]
    steps += [("kinds", Conv()), ("logits", GlobalMax())]
    return in_sequence(*steps, aliases={name: (str(index),) for index, (name, _) in enumerate(steps)})
