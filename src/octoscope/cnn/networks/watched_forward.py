"""One forward of one picture, kept so that any number of filters can be pulled back through it.

All filters of a layer share the forward and only add backward passes, which run in batches: that is what makes sweeps over 512 filters
affordable. Weights are never differentiated.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from octoscope.cnn.networks.graph import GraphNetwork, Program
from octoscope.cnn.networks.network import Layer, Network, ReluRule, find_layer
from octoscope.errors import ObservationError

# Cotangents pulled back at once: on two cores eight take 1.5 times as long per filter where maps are large, and no less where they are
# small.
CHUNK = 2


@runtime_checkable
class _SharesForward(Protocol):
    """A network that pulls many cotangents back through one forward by itself."""

    def watch(
        self, image: Float[Array, "1 height width channel"], layer: str, relu_rule: ReluRule
    ) -> tuple[Array, Callable[..., Array]]:
        """Returns the activation at a layer, and what pulls cotangents back to the image."""
        ...


@dataclass(frozen=True, eq=False)
class WatchedForward:
    """The activation that one picture leads to, and the way back from it."""

    layer: Layer
    activation: Float[np.ndarray, "row column channel"]
    _back: Callable[[Array], Array] = field(repr=False)

    def pull_back(
        self, cotangents: Float[np.ndarray | Array, "filter row column channel"], *, chunk: int | None = None
    ) -> Float[np.ndarray, "filter height width 3"]:
        """Returns each cotangent pulled back to the picture, per level of 0..255.

        Args:
          cotangents: One map over the activation per filter.
          chunk: How many go back at once; `CHUNK` or all, whichever are fewer, by default.
        """
        chunk = chunk or min(CHUNK, len(cotangents))
        pulled = []
        for start in range(0, len(cotangents), chunk):
            part = cotangents[start : start + chunk]
            # One shape means one compilation: the last chunk is filled up with zeros.
            short = chunk - len(part)
            filled = np.pad(part, ((0, short), (0, 0), (0, 0), (0, 0))) if short else part
            pulled.append(np.asarray(self._back(jnp.asarray(filled)))[: len(part)])
        return np.concatenate(pulled)


def watch(
    network: Network, picture: Num[np.ndarray, "height width 3"], layer: str, relu_rule: ReluRule = "plain"
) -> WatchedForward:
    """Runs a picture up to a layer and keeps what the way back needs.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias.
      relu_rule: How cotangents pass ReLUs.

    Raises:
      SelectionError: If there is no such layer.
      ObservationError: If the picture is not RGB.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> forward = watch(load_embedded_network(), np.zeros((32, 32, 3)), "conv1")
    >>> forward.activation.shape, forward.pull_back(np.ones((2, 16, 16, 24), np.float32)).shape
    ((16, 16, 24), (2, 32, 32, 3))
    """
    place, image = find_layer(network, layer), as_image(picture)
    if isinstance(network, _SharesForward):
        activation, back = network.watch(image, place.name, relu_rule)
    elif isinstance(network, GraphNetwork):
        cut = network.forward_to(place.name)
        activation, pull = _watch(cut.apply, cut.parameters, image, relu_rule)
        back = functools.partial(_pull, pull)
    else:
        activation = network.activation(image, place.name)
        back = functools.partial(_pull_each, network, image, place.name, relu_rule)
    return WatchedForward(place, np.asarray(activation[0]), back)


def as_image(picture: Any) -> Float[Array, "1 height width 3"]:
    """Returns a picture as a batch of one.

    Raises:
      ObservationError: If it is not (height, width, 3), saying how to bring it there.
    """
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ObservationError(
            f"A picture must be RGB, (height, width, 3) in levels of 0..255, got shape {array.shape}. "
            "`octoscope.episodes.picture_file.read_picture` brings a picture file there."
        )
    return jnp.asarray(array, jnp.float32)[None]


@functools.partial(jax.jit, static_argnames=("program", "relu_rule"))
def _watch(program: Program, weights: Any, image: Array, relu_rule: ReluRule) -> Any:
    # The way back is a pytree of residuals, so that it may leave the jitted function and meet any number of cotangents.
    return jax.vjp(lambda seen: program(weights, seen, relu_rule), image)


@jax.jit
def _pull(back: Any, cotangents: Array) -> Array:
    return jax.vmap(lambda cotangent: back(cotangent[None])[0][0])(cotangents)


def _pull_each(network: Network, image: Array, layer: str, relu_rule: ReluRule, cotangents: Array) -> Array:
    images = jnp.broadcast_to(image, (len(cotangents), *image.shape[1:]))
    return network.pull_back(images, layer, cotangents, relu_rule)
