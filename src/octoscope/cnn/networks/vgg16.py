"""VGG16 with the paper's layer names and torchvision's indices; only the weights of the convolutions are read unless asked.

Reference: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
https://arxiv.org/abs/1409.1556
"""

from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from huggingface_hub import hf_hub_download

from octoscope.checkpoints.hub import fetch
from octoscope.cnn.networks.graph import GraphNetwork, in_sequence
from octoscope.cnn.networks.steps import Conv, MaxPool, MeanPool, Relu, Step, Weights
from octoscope.cnn.networks.weight_file import check_finite, open_weights, require_file
from octoscope.errors import CheckpointError

_HUB_NAME, _HUB_FILE = "timm/vgg16.tv_in1k", "model.safetensors"
# Convolutions and channels of each block; a pool ends a block.
_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
# torchvision's normalisation of ImageNet pictures, in levels of 0..255.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
# The classifier's layers as the hub's file and torchvision's own name them; kernel (out, in, rows, columns).
_CLASSIFIER = {
    "fc6": (("pre_logits.fc1", "classifier.0"), (4096, 512, 7, 7)),
    "fc7": (("pre_logits.fc2", "classifier.3"), (4096, 4096, 1, 1)),
    "logits": (("head.fc", "classifier.6"), (1000, 4096, 1, 1)),
}


def load_vgg16(path: str | Path | None = None, *, classifier: bool = False) -> GraphNetwork:
    """Returns VGG16 with weights from a local safetensors file, or from the hub and its local cache.

    Args:
      path: A file with the hub's or torchvision's names (`features.0.weight`, ...); `timm/vgg16.tv_in1k` of the hub without.
      classifier: Also read the classifier, 495 MB more; its last layer is `logits`.

    Raises:
      CheckpointError: If the weights are not there, saying what to download, or are those of another network.
    """
    file = require_file(Path(path)) if path is not None else _fetch()
    return vgg16_network(_read(file, classifier=classifier), classifier=classifier)


def vgg16_network(weights: Mapping[str, Weights], *, note: str = "", classifier: bool = False) -> GraphNetwork:
    """Returns VGG16 with the given weights: `kernel` and `bias` of conv1_1, conv1_2, conv2_1 and so on.

    >>> network = vgg16_network(random_vgg16_weights(np.random.default_rng(0)))
    >>> [(layer.name, layer.aliases[0], layer.channels, layer.size) for layer in network.layers][24]
    ('conv5_1', '24', 512, (14, 14))
    """
    steps = _conv_steps()
    aliases = {name: (str(index), f"features.{index}") for index, (name, _) in enumerate(steps)}
    if classifier:
        steps += [("fc6", Conv(padding="VALID")), ("relu6", Relu()), ("fc7", Conv()), ("relu7", Relu())]
        steps += [("mean7", MeanPool()), ("logits", Conv())]
    return GraphNetwork("VGG16", in_sequence(*steps, aliases=aliases), weights, (224, 224), MEAN, STD, note=note)


def random_vgg16_weights(rng: np.random.Generator) -> dict[str, dict[str, jnp.ndarray]]:
    """Returns untrained weights of the convolutions (He et al., 2015): for timings and sanity checks."""
    weights = {}
    for name, (_, (out, into, rows, columns)) in _conv_sources().items():
        kernel = rng.normal(0, np.sqrt(2 / (into * rows * columns)), (rows, columns, into, out))
        weights[name] = {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.zeros(out, jnp.float32)}
    return weights


def _conv_steps() -> list[tuple[str, Step]]:
    steps: list[tuple[str, Step]] = []
    for block, (convs, _) in enumerate(_BLOCKS, start=1):
        for number in range(1, convs + 1):
            steps += [(f"conv{block}_{number}", Conv()), (f"relu{block}_{number}", Relu())]
        steps.append((f"pool{block}", MaxPool()))
    return steps


def _conv_sources() -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Returns, for each convolution, its names in files and the shape of its kernel there."""
    sources, into = {}, 3
    channels = iter([out for convs, out in _BLOCKS for _ in range(convs)])
    for index, (name, step) in enumerate(_conv_steps()):
        if isinstance(step, Conv):
            out = next(channels)
            sources[name] = ((f"features.{index}",), (out, into, 3, 3))
            into = out
    return sources


def _fetch() -> Path:
    try:
        return fetch(hf_hub_download, _HUB_NAME, _HUB_FILE)
    except Exception as error:  # the hub's client raises its own, httpx's and OSError alike
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(
            f"The weights of VGG16 could not be fetched ({type(error).__name__}: {first_line}). Download {_HUB_FILE} (553 MB) of "
            f"https://huggingface.co/{_HUB_NAME} and name it: vgg16:path/to/{_HUB_FILE}. Without weights of its own there is "
            "always the network 'embedded'."
        ) from None


def _read(path: Path, *, classifier: bool) -> dict[str, dict[str, jnp.ndarray]]:
    stored = open_weights(path)
    wanted: dict[str, tuple[str, str, tuple[int, ...]]] = {}
    for name, (stems, shape) in (_conv_sources() | (_CLASSIFIER if classifier else {})).items():
        stem = next((stem for stem in stems if f"{stem}.weight" in stored.specs), stems[0])
        wanted[f"{stem}.weight"] = (name, "kernel", shape)
        wanted[f"{stem}.bias"] = (name, "bias", shape[:1])
    wrong = []
    for key, (_, _, shape) in wanted.items():
        if key not in stored.specs:
            wrong.append(f"{key} {shape} is missing")
        elif stored.specs[key].size != np.prod(shape) or stored.specs[key].shape[0] != shape[0]:
            wrong.append(f"{key} is {stored.specs[key].shape}, not {shape}")
    if wrong:
        there = ", ".join(f"{key} {spec.shape}" for key, spec in list(stored.specs.items())[:4])
        raise CheckpointError(
            f"{path} does not hold the weights of VGG16: {'; '.join(wrong[:6])}{' ...' if len(wrong) > 6 else ''}. "
            f"It holds {len(stored.specs)} arrays: {there}, ... Take {_HUB_FILE} of https://huggingface.co/{_HUB_NAME}."
        )
    weights: dict[str, dict[str, jnp.ndarray]] = {}
    # The convolutions come first in the hub's file: what lies behind the last array wanted is never read.
    for key, array in stored.arrays():
        if key in wanted:
            name, part, shape = wanted.pop(key)
            array = check_finite(array, key, path).reshape(shape)
            laid_out = np.moveaxis(array, (2, 3, 1, 0), (0, 1, 2, 3)) if part == "kernel" else array
            weights.setdefault(name, {})[part] = jnp.asarray(laid_out, jnp.float32)
        if not wanted:
            break
    return weights
