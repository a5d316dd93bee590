"""What a picture is made to maximise: a weighted sum of a layer's channels, over the whole map or at one unit.

All of them are linear in the activation, so each is one fixed map of weights over it. Where the layer itself is affine (a
convolution before its ReLU), that map is pulled through it once and the layer never runs: the pixels stay the same, and the second
convolution of VGG16 costs a fifth.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.cnn.networks.graph import IMAGE, Program
from octoscope.cnn.networks.network import Layer, check_filters
from octoscope.cnn.networks.steps import Step, Weights
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class Objective:
    """A weighted sum of channels: its mean over the map, or its value at one unit."""

    channels: tuple[int, ...]
    weights: tuple[float, ...] = ()
    # Row and column in the feature map; None for the mean over the map, (-1, -1) for the middle unit.
    unit: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """What labels say: "filter 21", "filters 3 + 5", "filter 21 at row 4, column 4"."""
        count = len(self.channels)
        text = f"direction of {count}" if count > 4 else "filters " + " + ".join(map(str, self.channels))
        text = f"filter {self.channels[0]}" if count == 1 else text
        if self.unit is None:
            return text
        return f"{text}, middle unit" if self.unit[0] < 0 else f"{text} at row {self.unit[0]}, column {self.unit[1]}"


MIDDLE = (-1, -1)


def mean_of(channel: int) -> Objective:
    """Returns the mean of one channel: the classic objective; textures that fill the picture."""
    return Objective((channel,), (1.0,))


def neuron_of(channel: int, unit: tuple[int, int] = MIDDLE) -> Objective:
    """Returns one unit of a channel: what its receptive field should hold; the rest of the picture stays as it starts."""
    return Objective((channel,), (1.0,), unit)


def sum_of(channels: Sequence[int]) -> Objective:
    """Returns the sum of several channels' means: whether two filters can be met in one picture."""
    return Objective(tuple(channels), (1.0,) * len(channels))


def direction_of(vector: Float[np.ndarray, " channel"], unit: tuple[int, int] | None = None) -> Objective:
    """Returns a direction in the space of channels, at its own length: a linear probe, a difference of two encodings.

    >>> direction_of(np.array([0.0, 1.0, -1.0])).channels
    (1, 2)
    """
    used = np.flatnonzero(vector)
    return Objective(tuple(map(int, used)), tuple(vector[used].tolist()), unit)


def check_objective(objective: Objective, layer: Layer) -> None:
    """Checks that a layer has the channels and the unit.

    Raises:
      SelectionError: Naming the range.
    """
    if not objective.channels or len(objective.channels) != len(objective.weights):
        raise SelectionError("An objective needs at least one channel, and one weight for each.")
    check_filters(layer, objective.channels)
    if objective.unit is not None and objective.unit != MIDDLE:
        for place, count, name in zip(objective.unit, layer.size, ("row", "column"), strict=True):
            if not 0 <= place < count:
                raise SelectionError(
                    f"`{name}` of a unit must be in 0..{count - 1} at layer {layer.name}, got {place}."
                )


def weight_maps(objectives: Sequence[Objective], shape: tuple[int, ...]) -> Float[Array, "batch row column channel"]:
    """Returns one map of weights per objective, over an activation of (rows, columns, channels): score = sum(map * activation)."""
    rows, columns, channels = shape
    maps = np.zeros((len(objectives), rows, columns, channels), np.float32)
    for chosen, objective in zip(maps, objectives, strict=True):
        if objective.unit is None:
            chosen[:, :, list(objective.channels)] = np.asarray(objective.weights, np.float32) / (rows * columns)
        else:
            row, column = (rows // 2, columns // 2) if objective.unit == MIDDLE else objective.unit
            chosen[row, column, list(objective.channels)] = objective.weights
    return jnp.asarray(maps)


def fold_affine(
    program: Program,
    weights: Mapping[str, Weights],
    maps: Float[Array, "batch row column channel"],
    image: jax.ShapeDtypeStruct,
) -> tuple[Program, Float[Array, "batch row_before column_before channel_before"]]:
    """Returns a shorter program and the maps over its output that give the same score, up to a constant.

    Args:
      program: A network cut at the layer.
      weights: Its weights.
      maps: Over the layer's activation.
      image: Shape and dtype of the images.
    """
    while program.nodes and program.nodes[-1].step.affine and len(program.nodes[-1].inputs) == 1:
        node = program.nodes[-1]
        shorter = program.up_to(node.inputs[0]) if node.inputs[0] != IMAGE else Program((), program.mean, program.std)
        before = jax.eval_shape(shorter, weights, image)
        step = functools.partial(_run_step, node.step, weights.get(node.name, {}))
        zeros = jnp.zeros((len(maps), *before.shape[1:]), maps.dtype)
        maps = jax.jit(lambda zeros, maps, step=step: jax.vjp(step, zeros)[1](maps)[0])(zeros, maps)
        program = shorter
    return program, maps


def _run_step(step: Step, weights: Weights, maps: Array) -> Array:
    return step(weights, [maps], "plain")
