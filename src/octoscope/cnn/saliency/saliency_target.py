"""Which number of a layer is explained: the mean of a channel, its strongest unit on this picture, or a unit by its place."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from octoscope.array_typing import Float
from octoscope.cnn.networks.network import Layer, check_filters
from octoscope.cnn.networks.objectives import Objective, check_objective, mean_of, neuron_of
from octoscope.errors import SelectionError, nearest

# mean: the channel's mean over its map. strongest: its largest unit on this picture. unit: the one at a given row and column.
ObjectiveKind = Literal["mean", "strongest", "unit"]


def chosen_objectives(
    activation: Float[np.ndarray, "row column channel"],
    layer: Layer,
    filters: Sequence[int],
    *,
    kind: ObjectiveKind = "mean",
    unit: tuple[int, int] | None = None,
) -> list[Objective]:
    """Returns one objective per filter.

    Args:
      activation: Of the layer, on the picture.
      layer: Where it was taken.
      filters: Channels, from 0.
      kind: Which number of the channel.
      unit: Row and column in the feature map, for "unit".

    Raises:
      SelectionError: If a filter or unit does not exist, or the kind is unknown.

    >>> activation = np.zeros((2, 2, 3)); activation[1, 0, 2] = 5.0
    >>> chosen_objectives(activation, Layer("conv1", "conv", 3, (2, 2)), [2], kind="strongest")[0].title
    'filter 2 at row 1, column 0'
    """
    check_filters(layer, list(filters))
    if kind == "mean":
        return [mean_of(number) for number in filters]
    if kind == "strongest":
        return [neuron_of(number, strongest_unit(activation[..., number])) for number in filters]
    if kind != "unit":
        kinds = get_args(ObjectiveKind)
        raise SelectionError(f"The objective must be one of {', '.join(kinds)}, got '{kind}'.{nearest(kind, kinds)}")
    if unit is None:
        rows, columns = activation.shape[:2]
        raise SelectionError(
            f"The objective 'unit' needs a row and a column, in 0..{rows - 1} and 0..{columns - 1} at layer {layer.name}; got none."
        )
    objectives = [neuron_of(number, unit) for number in filters]
    # The map of this picture, which may be larger or smaller than at the network's own size.
    here = Layer(layer.name, layer.kind, layer.channels, (activation.shape[0], activation.shape[1]), layer.aliases)
    for objective in objectives:
        if min(unit) < 0:
            raise SelectionError(f"`row` and `column` of a unit count from 0, got {unit}.")
        check_objective(objective, here)
    return objectives


def strongest_unit(channel: Float[np.ndarray, "row column"]) -> tuple[int, int]:
    """Returns row and column of the largest value; the first of equals."""
    row, column = np.unravel_index(int(np.argmax(channel)), channel.shape)
    return int(row), int(column)


def score_of(
    weights: Float[np.ndarray, "row column channel"], activation: Float[np.ndarray, "row column channel"]
) -> float:
    """Returns the objective's value on an activation."""
    return float(np.sum(weights.astype(np.float64) * activation))
