"""Receptive fields of all layers of a network: which pixels a unit can see, and where on the picture it stands.

Reference: Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
https://distill.pub/2019/computing-receptive-fields
Where branches meet, the field reaches over all of them. Norms over the whole map (GroupNorm) let every pixel in faintly; the field here is
what convolutions and pools reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.array_typing import Bool
from octoscope.cnn.networks.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.steps import Conv, MaxPool, Relu, same_padding
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class AxisField:
    """Along one axis, unit u sees pixels first + stride * u ... last + stride * u, edges of the picture not minded."""

    first: int = 0
    last: int = 0
    stride: int = 1

    @property
    def size(self) -> int:
        """Pixels that one unit sees."""
        return self.last - self.first + 1

    @property
    def first_center(self) -> float:
        """Pixel index that unit 0 is centred on; 0 is the first pixel's centre."""
        return (self.first + self.last) / 2


@dataclass(frozen=True)
class LayerField:
    """The receptive field of a layer's units, along rows and columns."""

    rows: AxisField
    columns: AxisField
    # Whether a global pool lies before: then every unit sees the whole picture.
    whole: bool = False

    def box(self, unit: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Returns top, left, bottom, right (edges) of what a unit sees of a picture of this height and width."""
        if self.whole:
            return 0, 0, size[0], size[1]
        spans = [
            (max(axis.first + axis.stride * place, 0), min(axis.last + axis.stride * place + 1, length))
            for axis, place, length in zip((self.rows, self.columns), unit, size, strict=True)
        ]
        (top, bottom), (left, right) = spans
        return top, left, bottom, right

    def grid_box(self, grid: tuple[int, int]) -> tuple[float, float, float, float]:
        """Returns where the grid of all units lies on the picture (edges): each cell one stride wide, on its unit's centre."""
        top, left = (axis.first_center + 0.5 - axis.stride / 2 for axis in (self.rows, self.columns))
        return top, left, top + grid[0] * self.rows.stride, left + grid[1] * self.columns.stride


def layer_field(network: GraphNetwork, layer: str, size: tuple[int, int] | None = None) -> LayerField:
    """Returns the receptive field by the formula, from kernels, strides and paddings.

    Args:
      network: A network of named steps.
      layer: Name or alias.
      size: Height and width of the picture; "SAME" padding depends on it. The network's own by default.

    Raises:
      SelectionError: If there is no such layer.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> layer_field(load_embedded_network(), "conv1").rows
    AxisField(first=-3, last=3, stride=2)
    """
    name = find_layer(network, layer).name
    size = size or network.input_size
    fields: dict[str, LayerField] = {IMAGE: LayerField(AxisField(), AxisField())}
    shapes = _shapes(network, size)
    for node in network.program.up_to(name).nodes:
        before = [fields[source] for source in node.inputs]
        joined = LayerField(
            _joined([field.rows for field in before]),
            _joined([field.columns for field in before]),
            any(field.whole for field in before),
        )
        fields[node.name] = _after(node, joined, network.weights.get(node.name, {}), shapes[node.inputs[0]])
    return fields[name]


def field_by_gradient(
    network: GraphNetwork, layer: str, unit: tuple[int, int], size: tuple[int, int] | None = None
) -> Bool[np.ndarray, "height width"]:
    """Returns which pixels reach a unit, found by a gradient through the same network with all weights 1 and pools that add.

    The slow way to the same answer as `layer_field`, from nothing but the network itself. Norms are passed over.

    Raises:
      SelectionError: If there is no such layer.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> int(field_by_gradient(load_embedded_network(), "conv1", (8, 8), (32, 32)).sum())
    49
    """
    cut = network.forward_to(layer)
    nodes = tuple(
        replace(node, step=_SumPool(node.step))
        if isinstance(node.step, MaxPool)
        else replace(node, step=Relu())
        if node.step.kind in ("norm", "film")
        else node
        for node in cut.apply.nodes  # pyright: ignore[reportFunctionMemberAccess]
    )
    program = replace(network.program, nodes=nodes, mean=(0.0,) * 3, std=(1.0,) * 3)
    weights = {
        name: {
            part: jnp.ones_like(array) if part == "kernel" else jnp.zeros_like(array) for part, array in arrays.items()
        }
        for name, arrays in network.weights.items()
    }
    # Kernels of ones multiply what comes in by their size: float32 holds it to 1e38, the deepest layers need less.
    image = jnp.full((1, *(size or network.input_size), 3), 1e-6)
    seen = jax.grad(lambda image: program(weights, image)[0, unit[0], unit[1]].sum())(image)
    return np.asarray(jnp.abs(seen[0]).sum(axis=-1) > 0)


@dataclass(frozen=True)
class _SumPool:
    """A max pool that adds instead, so that every pixel of its window counts."""

    pool: MaxPool
    kind = "max_pool"
    affine = True

    def __call__(self, weights: Any, inputs: Any, relu_rule: Any) -> Any:
        (maps,) = inputs
        sides = [self.pool.padding(length) for length in maps.shape[1:3]]
        window, stride = (1, self.pool.window, self.pool.window, 1), (1, self.pool.stride, self.pool.stride, 1)
        return jax.lax.reduce_window(maps, 0.0, jax.lax.add, window, stride, ((0, 0), *sides, (0, 0)))


def _shapes(network: GraphNetwork, size: tuple[int, int]) -> Mapping[str, tuple[int, ...]]:
    image = jax.ShapeDtypeStruct((1, *size, len(network.mean)), jnp.float32)
    try:
        outputs = jax.eval_shape(network.program.outputs, network.weights, image)
    except (TypeError, ValueError) as error:
        raise SelectionError(
            f"{network.name} cannot take pictures of {size[0]} x {size[1]} pixels ({error})."
        ) from None
    return {name: output.shape for name, output in outputs.items()}


def _joined(axes: list[AxisField]) -> AxisField:
    return AxisField(min(axis.first for axis in axes), max(axis.last for axis in axes), axes[0].stride)


def _after(node: Node, before: LayerField, weights: Mapping[str, Any], shape: tuple[int, ...]) -> LayerField:
    step = node.step
    if step.kind == "mean_pool" or (step.kind == "max_pool" and not isinstance(step, MaxPool)):
        return replace(before, whole=True)
    if isinstance(step, Conv):
        kernel, stride = weights["kernel"].shape[:2], step.strides
        if step.padding == "SAME":
            starts = [same_padding(length, *pair)[0] for length, *pair in zip(shape[1:3], kernel, stride, strict=True)]
        else:
            starts = [0, 0] if isinstance(step.padding, str) else [pair[0] for pair in step.padding]
    elif isinstance(step, MaxPool):
        kernel, stride = (step.window,) * 2, (step.stride,) * 2
        starts = [step.padding(length)[0] for length in shape[1:3]]
    elif step.kind == "pad":
        before_map = int(vars(step)["before"])
        kernel, stride, starts = (1, 1), (1, 1), [before_map, before_map]
    else:
        return before
    axes = [
        AxisField(axis.first - start * axis.stride, axis.last + (size - 1 - start) * axis.stride, axis.stride * by)
        for axis, start, size, by in zip((before.rows, before.columns), starts, kernel, stride, strict=True)
    ]
    return replace(before, rows=axes[0], columns=axes[1])
