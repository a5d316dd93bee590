"""SqueezeNet 1.0 from an .npz of its Caffe weights: a real ImageNet classifier in five megabytes.

Reference: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016. https://arxiv.org/abs/1602.07360
"""

from pathlib import Path

import jax.numpy as jnp

from octoscope.cnn.networks.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.networks.steps import Concat, Conv, MaxPool, MeanPool, Relu, Step
from octoscope.cnn.networks.weight_file import read_npz, require_file

# Caffe's mean of ImageNet, here in RGB order; no division.
_MEAN = (123.0, 117.0, 104.0)
_POOLED = ("conv1", "fire4", "fire8")
# Channels after squeezing, and after each of the two expansions.
_FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}


def load_squeezenet(path: str | Path) -> GraphNetwork:
    """Returns SqueezeNet with the weights of an .npz: NAME/kernel (rows, columns, in, out) and NAME/bias, colours in BGR order.

    Raises:
      CheckpointError: If the file is missing, or its weights are those of another network.
    """
    path = require_file(Path(path))
    arrays = read_npz(path, _shapes(), network="SqueezeNet 1.0")
    weights: dict[str, dict[str, jnp.ndarray]] = {}
    for key, array in arrays.items():
        name, _, part = key.rpartition("/")
        weights.setdefault(name, {})[part] = jnp.asarray(array)
    # Trained on BGR; turned here so that pictures are RGB everywhere.
    weights["conv1"]["kernel"] = weights["conv1"]["kernel"][:, :, ::-1]
    return GraphNetwork("SqueezeNet 1.0", _nodes(), weights, (227, 227), mean=_MEAN)


def _shapes() -> dict[str, tuple[int, ...]]:
    """Returns the shape of each array; 1,248,424 numbers in all."""
    kernels, into = {"conv1": (7, 7, 3, 96)}, 96
    for fire, (squeezed, expanded) in _FIRES.items():
        kernels[f"{fire}/squeeze1x1"] = (1, 1, into, squeezed)
        kernels[f"{fire}/expand1x1"] = (1, 1, squeezed, expanded)
        kernels[f"{fire}/expand3x3"] = (3, 3, squeezed, expanded)
        into = 2 * expanded
    kernels["conv10"] = (1, 1, into, 1000)
    return {
        f"{name}/{part}": shape
        for name, kernel in kernels.items()
        for part, shape in (("kernel", kernel), ("bias", kernel[3:]))
    }


def _nodes() -> tuple[Node, ...]:
    nodes: list[Node] = []

    def then(name: str, step: Step, *inputs: str) -> str:
        nodes.append(Node(name, step, inputs))
        return name

    last = then("relu1", Relu(), then("conv1", Conv((2, 2), "VALID"), IMAGE))
    last = then("pool1", MaxPool(3, 2, ceil=True), last)
    for fire in _FIRES:
        squeezed = then(f"{fire}/relu_squeeze1x1", Relu(), then(f"{fire}/squeeze1x1", Conv(), last))
        expanded = [
            then(f"{fire}/relu_{name}", Relu(), then(f"{fire}/{name}", Conv(), squeezed))
            for name in ("expand1x1", "expand3x3")
        ]
        last = then(f"{fire}/concat", Concat(), *expanded)
        if fire in _POOLED:
            last = then(f"pool{fire[-1]}", MaxPool(3, 2, ceil=True), last)
    # The published network pads this 1 x 1 convolution by one pixel.
    last = then("relu10", Relu(), then("conv10", Conv(padding=((1, 1), (1, 1))), last))
    then("logits", MeanPool(), last)
    return tuple(nodes)
