"""SqueezeNet 1.0 from an .npz of its Caffe weights: a real ImageNet classifier in five megabytes.

Reference: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016. https://arxiv.org/abs/1602.07360
"""

from pathlib import Path
from zipfile import BadZipFile

import jax.numpy as jnp
import numpy as np

from octoscope.cnn.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.steps import Concat, Conv, MaxPool, MeanPool, Relu, Step
from octoscope.errors import CheckpointError
from octoscope.user_path import user_path

# Caffe's mean of ImageNet, here in RGB order; no division.
_MEAN = (123.0, 117.0, 104.0)
_POOLED = ("conv1", "fire4", "fire8")
_FIRES = tuple(f"fire{number}" for number in range(2, 10))


def load_squeezenet(path: str | Path) -> GraphNetwork:
    """Returns SqueezeNet with the weights of an .npz: NAME/kernel (rows, columns, in, out) and NAME/bias, colours in BGR order.

    Raises:
      CheckpointError: If the file is missing, or its weights are those of another network.
    """
    path = user_path(path)
    nodes = _nodes()
    expected = {node.name for node in nodes if isinstance(node.step, Conv)}
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file}
    except (OSError, ValueError, BadZipFile) as error:
        raise CheckpointError(f"{path} cannot be read as .npz ({error}). Name a file of SqueezeNet weights.") from None
    missing = sorted(f"{name}/{part}" for name in expected for part in ("kernel", "bias"))
    missing = [key for key in missing if key not in arrays]
    if missing:
        held = ", ".join(f"{key} {array.shape}" for key, array in list(arrays.items())[:4])
        raise CheckpointError(
            f"{path} does not hold SqueezeNet 1.0: {', '.join(missing[:4])} missing; it holds {held}, ..."
        )
    weights = {
        name: {part: jnp.asarray(arrays[f"{name}/{part}"], jnp.float32) for part in ("kernel", "bias")}
        for name in expected
    }
    # Trained on BGR; turned here so that pictures are RGB everywhere.
    weights["conv1"]["kernel"] = weights["conv1"]["kernel"][:, :, ::-1]
    return GraphNetwork("SqueezeNet 1.0", nodes, weights, (227, 227), mean=_MEAN)


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
