"""Dead filters told from filters that are merely off in the noise: those get a second picture, begun from one that switches them on."""

from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp

from octoscope.cnn.filters.filter_picture import FilterPicture
from octoscope.cnn.filters.filter_work import FilterWork
from octoscope.cnn.networks.graph import IMAGE, GraphNetwork
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.objectives import MIDDLE, Objective


def layer_before_relu(work: FilterWork) -> str | None:
    """Returns the layer whose values below 0 are not passed on: this one, or the one before this ReLU; None for others.

    Of a PyTorch module nobody knows what feeds what, so none of its filters gets a second picture.
    """
    if not isinstance(work.network, GraphNetwork):
        return None
    if work.layer.kind == "relu":
        return next(node.inputs[0] for node in work.network.nodes if node.name == work.layer.name)
    behind = [node.step.kind for node in work.network.nodes if work.layer.name in node.inputs]
    return work.layer.name if behind == ["relu"] else None


def second_chance(work: FilterWork, picture: FilterPicture, stopped: Callable[[], bool]) -> FilterPicture:
    """Returns the picture of a filter that stayed off once more, begun from one that switches a single unit on.

    Behind a ReLU that is off everywhere in the noise, or at the one unit asked for, there is no way uphill. Only a filter that cannot be
    switched on so either is called dead.
    """
    channels, source = picture.objective.channels, layer_before_relu(work)
    off = picture.largest <= 0 or picture.dead
    if not off or len(channels) != 1 or source is None or source == IMAGE or stopped():
        return picture
    before = replace(work, layer=find_layer(work.network, source))
    (woken,) = before.run([Objective(channels, (1.0,), picture.objective.unit or MIDDLE)], stopped, None, count=1)
    if stopped():
        return picture
    if woken.largest <= 0:
        return replace(picture, dead=True)
    if work.layer.kind != "relu":
        return replace(picture, dead=False)
    again = replace(work, start=jnp.asarray(woken.levels))
    (made,) = again.run([picture.objective], stopped, None, count=1)
    # It began from what `picture` began from; the one that woke it lies on the way.
    return replace(made, start_score=picture.start_score, dead=made.dead and made.largest <= 0)
