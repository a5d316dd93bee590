"""ResNet18 with torchvision's names, its batch norms folded into the convolutions before them: the weights are fixed.

Reference: He et al., "Deep Residual Learning for Image Recognition", 2016. https://arxiv.org/abs/1512.03385
"""

from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.cnn.networks.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.networks.steps import Add, Conv, MaxPool, MeanPool, Relu, Step, ZeroPad
from octoscope.cnn.networks.vgg16 import MEAN, STD
from octoscope.cnn.networks.weight_file import check_finite, open_weights, require_file
from octoscope.errors import CheckpointError

# torch's default of nn.BatchNorm2d.
_EPSILON = 1e-5
_WIDTHS = (64, 128, 256, 512)


def load_resnet18(path: str | Path) -> GraphNetwork:
    """Returns ResNet18 with weights from a safetensors file with torchvision's names, as `timm/resnet18.tv_in1k` of the hub.

    Raises:
      CheckpointError: If the file is missing, or its weights are those of another network.
    """
    stored = open_weights(require_file(Path(path)))
    shapes = _shapes()
    wrong = [
        f"{key} {shape} is missing"
        if key not in stored.specs
        else f"{key} is {tuple(stored.specs[key].shape)}, not {shape}"
        for key, shape in shapes.items()
        if key not in stored.specs or tuple(stored.specs[key].shape) != shape
    ]
    if wrong:
        raise CheckpointError(
            f"{path} does not hold ResNet18: {'; '.join(wrong[:4])}{' ...' if len(wrong) > 4 else ''}. "
            "Take model.safetensors of https://huggingface.co/timm/resnet18.tv_in1k."
        )
    return resnet18_network({key: check_finite(array, key, path) for key, array in stored.arrays() if key in shapes})


def resnet18_network(arrays: Mapping[str, np.ndarray], *, note: str = "") -> GraphNetwork:
    """Returns ResNet18 from torchvision's arrays by their names.

    >>> network = resnet18_network(random_resnet18_arrays(np.random.default_rng(0)))
    >>> [(layer.name, layer.channels, layer.size) for layer in network.layers][-3:]
    [('layer4.1.relu2', 512, (7, 7)), ('avgpool', 512, (1, 1)), ('fc', 1000, (1, 1))]
    """
    weights = {conv: _folded(arrays, conv, norm) for conv, norm in _convs()}
    weights["fc"] = {
        "kernel": jnp.asarray(np.asarray(arrays["fc.weight"]).T[None, None]),
        "bias": jnp.asarray(arrays["fc.bias"]),
    }
    return GraphNetwork("ResNet18", _nodes(), weights, (224, 224), MEAN, STD, note=note)


def random_resnet18_arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns untrained weights (He et al., 2015): for timings and tests."""
    arrays = {}
    for key, shape in _shapes().items():
        if len(shape) > 1:
            arrays[key] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        else:
            ones = key.endswith(("running_var", "bn1.weight", "bn2.weight", "downsample.1.weight"))
            arrays[key] = np.full(shape, 1.0 if ones else 0.0, np.float32)
    return arrays


def _folded(arrays: Mapping[str, np.ndarray], conv: str, norm: str) -> dict[str, Array]:
    gain = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _EPSILON)
    kernel = arrays[f"{conv}.weight"] * gain[:, None, None, None]
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * gain
    return {"kernel": jnp.asarray(np.moveaxis(kernel, (2, 3, 1, 0), (0, 1, 2, 3))), "bias": jnp.asarray(bias)}


def _blocks() -> list[tuple[str, int, int, int]]:
    """Returns name, channels in, channels out and stride of each block."""
    blocks, into = [], 64
    for stage, width in enumerate(_WIDTHS, start=1):
        for block in range(2):
            blocks.append((f"layer{stage}.{block}", into, width, 2 if stage > 1 and block == 0 else 1))
            into = width
    return blocks


def _convs() -> list[tuple[str, str]]:
    """Returns each convolution with the norm behind it."""
    pairs = [("conv1", "bn1")]
    for name, into, out, _ in _blocks():
        pairs += [(f"{name}.conv1", f"{name}.bn1"), (f"{name}.conv2", f"{name}.bn2")]
        pairs += [(f"{name}.downsample.0", f"{name}.downsample.1")] if into != out else []
    return pairs


def _shapes() -> dict[str, tuple[int, ...]]:
    kernels: dict[str, tuple[int, ...]] = {"conv1": (64, 3, 7, 7)}
    for name, into, out, _ in _blocks():
        kernels[f"{name}.conv1"], kernels[f"{name}.conv2"] = (out, into, 3, 3), (out, out, 3, 3)
        if into != out:
            kernels[f"{name}.downsample.0"] = (out, into, 1, 1)
    shapes = {f"{conv}.weight": shape for conv, shape in kernels.items()}
    for conv, norm in _convs():
        shapes |= {f"{norm}.{part}": kernels[conv][:1] for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


def _nodes() -> tuple[Node, ...]:
    nodes: list[Node] = []

    def then(name: str, step: Step, *inputs: str) -> str:
        nodes.append(Node(name, step, inputs))
        return name

    def conv(name: str, stride: int, pad: int, last: str) -> str:
        return then(name, Conv((stride, stride), ((pad, pad), (pad, pad))), last)

    last = then("relu", Relu(), conv("conv1", 2, 3, IMAGE))
    last = then("maxpool", MaxPool(3, 2), then("pad", ZeroPad(1, 1), last))
    for name, into, out, stride in _blocks():
        shortcut = conv(f"{name}.downsample.0", stride, 0, last) if into != out else last
        inner = then(f"{name}.relu1", Relu(), conv(f"{name}.conv1", stride, 1, last))
        inner = conv(f"{name}.conv2", 1, 1, inner)
        last = then(f"{name}.relu2", Relu(), then(f"{name}.add", Add(), shortcut, inner))
    then("fc", Conv(), then("avgpool", MeanPool(), last))
    return tuple(nodes)
