"""Every saliency method under its name: what filters of a layer see in a picture."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Num

from octoscope.cnn.networks.network import Network, find_layer
from octoscope.cnn.networks.watched_forward import watch
from octoscope.cnn.saliency.integrated_gradients import integrated_gradients
from octoscope.cnn.saliency.relu_rules import deconvnet, guided_backprop, plain_gradient
from octoscope.cnn.saliency.saliency_result import Saliency
from octoscope.cnn.saliency.saliency_target import ObjectiveKind, chosen_objectives
from octoscope.cnn.saliency.smooth_grad import smooth_grad
from octoscope.errors import SelectionError, nearest

METHODS: Mapping[str, Callable[..., list[Saliency]]] = {
    "gradient": plain_gradient,
    "guided": guided_backprop,
    "deconvnet": deconvnet,
    "smoothgrad": smooth_grad,
    "integrated": integrated_gradients,
}


def filter_saliency(
    network: Network,
    picture: Num[np.ndarray, "height width 3"],
    layer: str,
    filters: Sequence[int],
    *,
    method: str = "guided",
    objective: ObjectiveKind = "mean",
    unit: tuple[int, int] | None = None,
) -> list[Saliency]:
    """Returns what filters of a layer see in a picture, by one method.

    Take "gradient" or "integrated" to learn what the score depends on, "guided" for which edges can reach the filter; `sanity_check` tells
    how far each follows the weights. For settings of a single method call its own function.

    Args:
      network: Any network.
      picture: RGB, 0..255.
      layer: Name or alias ("conv5_1", "24").
      filters: Channels, from 0; all share the forwards.
      method: One of `METHODS`.
      objective: Which number of a channel is explained: its mean, its strongest unit on this picture, or the unit at `unit`.
      unit: Row and column in the feature map.

    Raises:
      SelectionError: If layer, filter, unit, method or objective does not exist.
      ObservationError: If the picture is not RGB.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> results = filter_saliency(load_embedded_network(), np.full((32, 32, 3), 99), "relu1", [0, 5])
    >>> [(result.method, result.objective.title, result.values.shape) for result in results]
    [('guided backprop', 'filter 0', (32, 32, 3)), ('guided backprop', 'filter 5', (32, 32, 3))]
    """
    check_method(method)
    place = find_layer(network, layer)
    # The mean needs no look at the activation, which is only consulted for its shape.
    unseen = np.zeros((1, 1, place.channels), np.float32)
    activation = unseen if objective == "mean" else watch(network, picture, place.name).activation
    objectives = chosen_objectives(activation, place, filters, kind=objective, unit=unit)
    return METHODS[method](network, picture, place.name, objectives)


def check_method(method: str) -> None:
    """Checks the name of a saliency method.

    Raises:
      SelectionError: With the nearest name and all names.
    """
    if method not in METHODS:
        raise SelectionError(
            f"There is no saliency method '{method}'.{nearest(method, METHODS)} Methods: {', '.join(METHODS)}."
        )
