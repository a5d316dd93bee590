"""Networks whose weights are drawn anew from the top down, to see whether a picture of saliency depends on them at all.

Reference: Adebayo et al., "Sanity Checks for Saliency Maps", 2018, section 3.1 (cascading randomisation).
https://arxiv.org/abs/1810.03292
They draw from the initialiser that the network was trained from; we draw kernels from a normal distribution of mean 0 and the learnt
kernel's own deviation and set biases to 0, so that no initialiser has to be known. (Learnt values in random order, the other candidate,
leave SqueezeNet dead: its kernels' negative means then meet no pattern that outweighs them.) Scales and shifts of norms stay.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np

from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Network, find_layer
from octoscope.errors import SelectionError


@runtime_checkable
class _Randomizes(Protocol):
    """A network that draws its own weights anew."""

    def layers_with_kernels(self, last: str) -> tuple[str, ...]:
        """Returns the layers up to `last` that have a kernel, in forward order."""
        ...

    def randomized(self, layers: tuple[str, ...], seed: int) -> Network:
        """Returns the same network with the kernels of these layers drawn anew."""
        ...


def layers_with_kernels(network: Network, last: str) -> tuple[str, ...]:
    """Returns the names of the layers up to `last` that have a kernel, in forward order.

    Raises:
      SelectionError: If the weights of this kind of network cannot be drawn anew.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> layers_with_kernels(load_embedded_network(), "relu3")
    ('conv1', 'conv2', 'conv3')
    """
    name = find_layer(network, last).name
    if isinstance(network, _Randomizes):
        return network.layers_with_kernels(name)
    if not isinstance(network, GraphNetwork):
        raise SelectionError(
            f"The weights of {network.name} ({type(network).__name__}) cannot be drawn anew from here."
        )
    nodes = network.program.up_to(name).nodes
    return tuple(node.name for node in nodes if "kernel" in network.weights.get(node.name, {}))


def randomized(network: Network, layers: tuple[str, ...], seed: int = 0) -> Network:
    """Returns the network with the kernels of the given layers drawn anew; the same seed draws the same.

    Raises:
      SelectionError: If the weights of this kind of network cannot be drawn anew.
    """
    if isinstance(network, _Randomizes):
        return network.randomized(layers, seed)
    if not isinstance(network, GraphNetwork):
        raise SelectionError(
            f"The weights of {network.name} ({type(network).__name__}) cannot be drawn anew from here."
        )
    kinds = {node.name: node.step.kind for node in network.nodes}
    weights = {
        name: {
            # Keyed by layer, so that a layer keeps what it drew while the cascade goes on below it.
            part: jnp.asarray(redrawn(np.asarray(array), seed=seed, place=f"{name}/{part}"))
            if part in ("kernel", "bias") and kinds[name] in ("conv", "dense")
            else array
            for part, array in arrays.items()
        }
        if name in layers
        else arrays
        for name, arrays in network.weights.items()
    }
    return dataclasses.replace(network, weights=weights)


def redrawn(array: np.ndarray, *, seed: int, place: str) -> np.ndarray:
    """Returns a kernel of the same deviation that hangs on the seed and on its place in the network; zeros for a bias."""
    if array.ndim < 2:
        return np.zeros_like(array)
    rng = np.random.default_rng([seed, *place.encode()])
    return rng.normal(0.0, float(array.std()), array.shape).astype(array.dtype)
