"""What every network here can do: name its layers, give the activation at one, and pull a cotangent back to the image.

Images are RGB, float32, 0..255, batch first, channels last. A network normalises them itself, as `(images - mean) / std`,
so a gradient is per level of 0..255; times `std` it is per unit of the normalised picture that other tools differentiate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Array, Float

from octoscope.errors import SelectionError, nearest

# How a cotangent passes a ReLU. plain: where the input was positive (the gradient). deconvnet: where the cotangent is
# positive. guided: where both are.
ReluRule = Literal["plain", "guided", "deconvnet"]

Images = Float[Array, "batch height width channel"]
Activation = Float[Array, "batch row column filter"]
# What to do to a layer's output before it goes on, by the layer's name.
Edits = Mapping[str, Callable[[Array], Array]]


@dataclass(frozen=True)
class Layer:
    """One place in a network where there is something to look at."""

    # Unique in its network: "conv5_1", "StdConv_2", "block1/unit1/conv1".
    name: str
    # "conv", "relu", "max_pool", "mean_pool", "norm", "film", "concat", "add" or "dense".
    kind: str
    channels: int
    # Rows and columns of the feature map at the network's own input size.
    size: tuple[int, int]
    # Other names of the same layer: ("24", "features.24").
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Cut:
    """A network up to one layer and no further: a pure function and its weights, for use under jit, grad and vmap.

    `cut.apply(cut.parameters, images, relu_rule="plain", edits=None)` returns the activation at the layer. The parameters are
    an argument, so that jit does not bake them in; nothing here differentiates them. `edits` changes outputs on the way:
    `{"conv3_1": lambda a: a + delta}` gives the gradient at a layer as that by `delta`; `{"conv3_1": lambda a: stored}` starts
    from a stored activation, and under jit what lies only before it is not computed.
    """

    layer: Layer
    parameters: Any
    apply: Callable[..., Activation] = field(repr=False)


@runtime_checkable
class Network(Protocol):
    """A convolutional network whose weights are fixed."""

    @property
    def name(self) -> str:
        """Short name for titles."""
        ...

    @property
    def note(self) -> str:
        """What every picture must say about these weights; "" for most."""
        ...

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width the network was trained with; other sizes pass where its layers allow."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """What is subtracted from each colour, in levels of 0..255."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """What each colour is divided by after that, in levels of 0..255."""
        ...

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, in forward order."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the channels of the last layer, where it is a classifier and they are known; else ()."""
        ...

    def activation(self, images: Images, layer: str) -> Activation:
        """Returns the output of a layer for images of 0..255."""
        ...

    def pull_back(
        self,
        images: Images,
        layer: str,
        cotangent: Activation,
        relu_rule: ReluRule = "plain",
        edits: Edits | None = None,
    ) -> Images:
        """Returns the cotangent at a layer's output pulled back to the images; batch entry by batch entry."""
        ...

    def forward_to(self, layer: str) -> Cut:
        """Returns the network cut behind a layer."""
        ...


def find_layer(network: Network, name: str) -> Layer:
    """Returns the layer of that name or alias.

    Raises:
      SelectionError: If there is none, with the nearest name and all names.
    """
    layers = {key: layer for layer in network.layers for key in (layer.name, *layer.aliases)}
    if name in layers:
        return layers[name]
    # Every ReLU has the name of what it follows; a deep network has too many layers for one sentence.
    shown = [layer for layer in network.layers if layer.kind != "relu" or len(network.layers) < 20]
    names = ", ".join(f"{layer.name} ({layer.aliases[0]})" if layer.aliases else layer.name for layer in shown)
    raise SelectionError(f"{network.name} has no layer '{name}'.{nearest(name, layers)} It has: {names}.")


def note_lines(network: Network) -> list[str]:
    """Returns the line that every picture of these weights must carry; none for most."""
    return [f"{network.name}: {network.note}."] if network.note else []


def check_filters(layer: Layer, filters: list[int] | tuple[int, ...]) -> None:
    """Checks that a layer has these filters (channels, from 0).

    Raises:
      SelectionError: Naming the range.
    """
    for index in filters:
        if not 0 <= index < layer.channels:
            raise SelectionError(f"`filter` must be in 0..{layer.channels - 1} at layer {layer.name}, got {index}.")
