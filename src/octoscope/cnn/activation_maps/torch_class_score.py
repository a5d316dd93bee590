"""The score of one class of a PyTorch classifier, as class activation maps explain it; needs the extra `[torch]`."""

import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from jaxtyping import Array, Num

from octoscope.cnn.activation_maps.explained_score import ExplainedScore, target_title
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.torch_module import with_gradients
from octoscope.cnn.networks.torch_network import TorchNetwork
from octoscope.cnn.networks.watched_forward import as_image


def torch_class_score(
    network: TorchNetwork, picture: Num[np.ndarray, "height width 3"], target: int | None = None, *, layer: str
) -> ExplainedScore:
    """Returns the score of a class, the last layer's channel, seen from a layer with a map.

    Args:
      network: A PyTorch classifier.
      picture: RGB, 0..255.
      target: Class; the one with the highest score by default.
      layer: Module name ("layer4").

    Raises:
      SelectionError: If the layer or class does not exist.
    """
    place, last, image = find_layer(network, layer), network.layers[-1], as_image(picture)

    def scores(images: Array, activation: torch.Tensor | None = None) -> torch.Tensor:
        edits = None if activation is None else {place.name: activation}
        output = network.output_with(images, edits)
        return output.flatten(2).mean(2) if output.ndim == 4 else output

    with torch.no_grad():
        target = int(scores(image)[0].argmax()) if target is None else target
    title = target_title(network, last, target)
    activation = network.activation(image, place.name)

    def taken(values: Array) -> torch.Tensor:
        return torch.from_numpy(np.array(values)).permute(0, 3, 1, 2)

    def from_activation(values: Array) -> Array:
        # What lies before the layer runs as well: a module cannot be entered in the middle.
        with torch.no_grad():
            images = jnp.broadcast_to(image, (len(values), *image.shape[1:]))
            return _to_jax(scores(images, taken(values))[:, target])

    def from_images(images: Array) -> Array:
        with torch.no_grad():
            return _to_jax(scores(images)[:, target])

    def gradient(values: Array) -> Array:
        with with_gradients():
            start = taken(values).requires_grad_()
            slope = torch.autograd.grad(scores(image, start)[0, target], start)[0]
        return _to_jax(slope.permute(0, 2, 3, 1))

    return ExplainedScore(
        network.name,
        title,
        place,
        image,
        activation,
        network.mean,
        from_activation,
        from_images,
        note=network.note,
        differentiate=gradient,
    )


def _to_jax(values: torch.Tensor) -> Array:
    return jnp.asarray(values.detach().float().cpu().numpy())
