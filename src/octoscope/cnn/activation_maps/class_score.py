"""The score of one class of a classifier, as class activation maps explain it."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from octoscope.cnn.activation_maps.explained_score import ExplainedScore, target_title
from octoscope.cnn.networks.graph import GraphNetwork, Program
from octoscope.cnn.networks.network import Layer, find_layer
from octoscope.cnn.networks.watched_forward import as_image
from octoscope.errors import SelectionError


def class_score(
    network: GraphNetwork,
    picture: Num[np.ndarray, "height width 3"],
    target: int | None = None,
    *,
    layer: str | None = None,
    output: str | None = None,
) -> ExplainedScore:
    """Returns the mean of one channel of a network's last layer, seen from an earlier layer.

    For a classifier that is the score of a class, before any softmax; for a layer with a map it is the channel's mean.

    Args:
      network: A network of named steps.
      picture: RGB, 0..255.
      target: Channel of the last layer; the one with the highest score by default.
      layer: Where the map is taken; by default the deepest layer with a map of more than one unit from which a convolution or a head
        still leads on (`default_cam_layer`).
      output: The layer that holds the score; the last by default.

    Raises:
      SelectionError: If a layer or the target does not exist, or the layer does not come before the output.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> class_score(load_embedded_network(), np.full((64, 64, 3), 99), 4, layer="relu5").layer.channels
    64
    """
    last = find_layer(network, output) if output is not None else network.layers[-1]
    whole = network.forward_to(last.name)
    before = [node.name for node in whole.apply.nodes[:-1]]  # pyright: ignore[reportFunctionMemberAccess]
    chosen = find_layer(network, layer) if layer is not None else default_cam_layer(network, output=last.name)
    if chosen.name not in before:
        raise SelectionError(f"The layer {chosen.name} does not lead to {last.name}; take one of {', '.join(before)}.")
    image = as_image(picture)
    activation, outputs = _activation_and_means(whole.apply, chosen.name, whole.parameters, image)
    target = int(jnp.argmax(outputs[0])) if target is None else target
    return ExplainedScore(
        network.name,
        target_title(network, last, target),
        chosen,
        image,
        activation,
        network.mean,
        functools.partial(_score_of_activation, whole.apply, chosen.name, target, whole.parameters, image),
        functools.partial(_score_of_images, whole.apply, target, whole.parameters),
        affine=leads_affinely(whole.apply, chosen.name),  # pyright: ignore[reportArgumentType]
        note=network.note,
        differentiate=functools.partial(
            _gradient_by_activation, whole.apply, chosen.name, target, whole.parameters, image
        ),
    )


def default_cam_layer(network: GraphNetwork, *, output: str | None = None) -> Layer:
    """Returns the last layer with a map that still leads through weights to the output: the usual choice for these maps.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> default_cam_layer(load_embedded_network()).name
    'relu6'
    """
    nodes = network.program.up_to(output or network.layers[-1].name).nodes
    sizes = {layer.name: layer.size for layer in network.layers}
    for number in range(len(nodes) - 2, -1, -1):
        # Past the last weights a channel stands for one class alone, and there is nothing left to weigh.
        weighed = any("kernel" in network.weights.get(node.name, {}) for node in nodes[number + 1 :])
        if weighed and min(sizes[nodes[number].name]) > 1:
            return find_layer(network, nodes[number].name)
    raise SelectionError(f"{network.name} has no layer with a map before {network.layers[-1].name}.")


def score_layer(network: GraphNetwork) -> Layer:
    """Returns the last layer, or what comes before it where the network ends in a ReLU and a mean.

    SqueezeNet's classes pass a ReLU; with random weights most end at 0 there, where no gradient is left to compare.
    """
    nodes = {node.name: node for node in network.nodes}
    node = network.nodes[-1]
    while node.step.kind == "mean_pool" and nodes[node.inputs[0]].step.kind == "relu":
        node = nodes[nodes[node.inputs[0]].inputs[0]]
    return find_layer(network, node.name)


def leads_affinely(program: Program, layer: str) -> bool:
    """Returns whether only affine steps with one input lie between a layer and the program's end."""
    nodes = {node.name: node for node in program.nodes}
    name = program.nodes[-1].name
    while name != layer:
        node = nodes.get(name)
        if node is None or not node.step.affine or len(node.inputs) != 1:
            return False
        name = node.inputs[0]
    return True


@functools.partial(jax.jit, static_argnames=("program", "layer"))
def _activation_and_means(program: Any, layer: str, weights: Any, images: Array) -> tuple[Array, Array]:
    # One forward for both: it is nearly the whole cost of a map.
    outputs = program.outputs(weights, images)
    return outputs[layer], jnp.mean(outputs[program.nodes[-1].name], axis=(1, 2))


@functools.partial(jax.jit, static_argnames=("program", "target"))
def _score_of_images(program: Any, target: int, weights: Any, images: Array) -> Array:
    return jnp.mean(program(weights, images)[..., target], axis=(1, 2))


@functools.partial(jax.jit, static_argnames=("program", "layer", "target"))
def _score_of_activation(program: Any, layer: str, target: int, weights: Any, image: Array, activation: Array) -> Array:
    # Where a branch goes round the layer, it needs the picture as often as there are activations; else it is dead code.
    images = jnp.broadcast_to(image, (len(activation), *image.shape[1:]))
    return jnp.mean(program(weights, images, edits={layer: lambda _: activation})[..., target], axis=(1, 2))


@functools.partial(jax.jit, static_argnames=("program", "layer", "target"))
def _gradient_by_activation(
    program: Any, layer: str, target: int, weights: Any, image: Array, activation: Array
) -> Array:
    # Compiled once for all pictures: tracing it anew would take a third of a small network's map.
    return jax.grad(lambda seen: _score_of_activation(program, layer, target, weights, image, seen).sum())(activation)
