"""One number that a picture leads to, seen from one layer: what every class activation map explains."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.cnn.networks.network import Layer, Network
from octoscope.errors import SelectionError

# Examples run at once where a method needs many.
CHUNK = 16


@dataclass(frozen=True)
class ScoreFacts:
    """What a map says of the score that it is of."""

    network: str
    title: str
    layer: Layer
    # On the picture.
    value: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class ExplainedScore:
    """A score, the activation of a layer that leads to it, and the two ways of computing it anew."""

    # Name of the network, and what the score is: "class 282: tiger cat", "action dimension 2 at step 0".
    network: str
    title: str
    layer: Layer
    # RGB, 0..255; one picture.
    image: Float[Array, "1 height width 3"]
    # Of the layer, on that picture.
    activation: Float[Array, "1 row column channel"]
    # Colour that the network sees as zero.
    mean: tuple[float, ...]
    # From activations of the layer to scores, the rest of the network alone.
    from_activation: Callable[[Float[Array, "batch row column channel"]], Float[Array, " batch"]] = field(repr=False)
    # From pictures to scores.
    from_images: Callable[[Float[Array, "batch height width 3"]], Float[Array, " batch"]] = field(repr=False)
    # Whether the score is an affine function of the activation, as behind average pool and linear head.
    affine: bool = False
    # What every picture must say; "" for nothing.
    note: str = ""
    # From activations to gradients, where it is compiled already or jax cannot differentiate `from_activation`.
    differentiate: Callable[[Array], Array] | None = field(default=None, repr=False)

    @property
    def value(self) -> float:
        """The score on the picture."""
        return float(self.from_activation(self.activation)[0])

    @property
    def facts(self) -> ScoreFacts:
        """What is worth keeping of it beside a map."""
        return ScoreFacts(self.network, self.title, self.layer, self.value, self.note)

    def gradient(self) -> Float[np.ndarray, "row column channel"]:
        """Returns the gradient of the score by the activation."""
        if self.differentiate is not None:
            return np.asarray(self.differentiate(self.activation)[0])
        return np.asarray(jax.grad(lambda seen: self.from_activation(seen).sum())(self.activation)[0])

    def negated(self) -> "ExplainedScore":
        """Returns the score with its sign turned: its maps show what lowers the score."""
        from_activation, from_images, differentiate = self.from_activation, self.from_images, self.differentiate
        return replace(
            self,
            title=f"minus {self.title}",
            from_activation=lambda seen: -from_activation(seen),
            from_images=lambda seen: -from_images(seen),
            differentiate=None if differentiate is None else lambda seen: -differentiate(seen),
        )


def target_title(network: Network, last: Layer, target: int) -> str:
    """Returns what a score is called: "class 282: tiger cat"; by its layer's name where that has a map.

    Raises:
      SelectionError: If the layer has no such channel.
    """
    if not 0 <= target < last.channels:
        raise SelectionError(
            f"`target` must be in 0..{last.channels - 1} at {last.name} of {network.name}, got {target}."
        )
    named = f": {network.class_names[target]}" if len(network.class_names) == last.channels else ""
    return f"{'class' if last.size == (1, 1) else last.name} {target}{named}"


def in_chunks(
    compute: Callable[[Array], Array],
    count: int,
    batch_of: Callable[[int, int], Array],
    *,
    chunk: int = CHUNK,
) -> Float[np.ndarray, " count"]:
    """Returns `compute` over `count` examples that are made chunk by chunk, so that memory stays small.

    Args:
      compute: From a batch to one number each.
      count: How many examples there are.
      batch_of: Makes examples start..stop.
      chunk: Examples at once; the last batch is filled up, so that one shape is compiled.
    """
    chunk = min(chunk, count)
    values = []
    for start in range(0, count, chunk):
        part = batch_of(start, min(start + chunk, count))
        padded = jnp.concatenate([part, jnp.repeat(part[:1], chunk - len(part), axis=0)]) if len(part) < chunk else part
        values.append(np.asarray(compute(padded))[: len(part)])
    return np.concatenate(values)
