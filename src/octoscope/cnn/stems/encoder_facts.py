"""What an image encoder costs and how far it sees: parameters, multiplications, time, receptive field."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.stems.encoder_variants import encoder_network
from octoscope.policies.octo.network.resnet import ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem


@dataclass(frozen=True)
class EncoderFacts:
    """Figures of one encoder for one picture."""

    name: str
    input_size: tuple[int, int]
    # Rows and columns of tokens, and entries of each.
    grid: tuple[int, int]
    entries: int
    # Pixels a token sees along each axis, and pixels between neighbouring tokens.
    field: int
    stride: int
    # Pixel that the first token is centred on; 7.5 is the middle of a 16-pixel patch, 0 its first pixel.
    first_center: float
    parameters: int
    # Multiplications (each with its addition) of all convolutions on one picture.
    multiplications: int
    # Median wall clock of one picture on this machine, compiled; NaN where it was not measured.
    seconds: float = float("nan")

    @property
    def overlap(self) -> float:
        """How many tokens see a pixel, on average: 1 for a patch embedding."""
        return (self.field / self.stride) ** 2


def encoder_facts(network: GraphNetwork, *, name: str = "", repeats: int = 0) -> EncoderFacts:
    """Returns the figures of an encoder.

    Args:
      network: From `policy_network`, `encoder_variants` or `encoder_network`.
      name: For tables; the network's own by default.
      repeats: Runs to time; 0 for no timing. The fastest are not picked: the median is given.

    >>> from octoscope.cnn.stems.encoder_variants import random_encoder
    >>> patches = random_encoder(PatchEncoder(patch_size=16, num_features=8), (64, 64), seed=0, name="patches")
    >>> facts = encoder_facts(patches)
    >>> facts.field, facts.parameters, facts.multiplications
    (16, 6152, 98304)
    """
    sizes = {layer.name: layer for layer in network.layers}
    last = network.layers[-1]
    rows = layer_field(network, last.name).rows
    count = 0
    for node in network.nodes:
        kernel = network.weights.get(node.name, {}).get("kernel")
        if node.step.kind == "conv" and kernel is not None:
            count += int(np.prod(sizes[node.name].size)) * int(np.prod(kernel.shape))
    return EncoderFacts(
        name or network.name,
        network.input_size,
        last.size,
        last.channels,
        rows.size,
        rows.stride,
        rows.first_center,
        # Held pictures of a stack are no parameters.
        sum(
            int(array.size) for arrays in network.weights.values() for part, array in arrays.items() if part in _LEARNT
        ),
        count,
        _seconds(network, repeats) if repeats else float("nan"),
    )


_LEARNT = ("kernel", "bias", "scale")


def encoder_facts_of(
    encoder: SmallStem | PatchEncoder | ViTResnet, size: tuple[int, int], *, name: str, channels: int = 3
) -> EncoderFacts:
    """Returns the figures of an architecture alone, with no weights made: for sizes that no checkpoint here has.

    Args:
      encoder: The module.
      size: Height and width of the picture.
      name: For tables.
      channels: Of the stack of pictures it reads: 6 with a goal picture.

    >>> encoder_facts_of(SmallStem(patch_size=16), (256, 256), name="Octo's stem", channels=6).field
    31
    """
    shapes: Any = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, *size, channels)))["params"]
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    network = encoder_network(encoder, params, size, name=name)
    if channels != len(network.mean):
        network = GraphNetwork(name, network.nodes, network.weights, size, (0.0,) * channels, (1.0,) * channels)
    return encoder_facts(network)


def _seconds(network: GraphNetwork, repeats: int) -> float:
    image = jnp.zeros((1, *network.input_size, len(network.mean)))
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(network.activation(image, network.layers[-1].name))
        taken.append(time.perf_counter() - start)
    # The first run compiles.
    return float(np.median(taken[1:]))
