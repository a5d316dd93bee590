"""One entry of a policy's denoised action, seen from a layer of the image encoder that a camera goes through.

The noise is fixed by a key, so that the same picture gives the same number. The encoder is computed by the network of `policy_network`,
whose layers can be edited, and its output is handed to the policy in place of the encoder's own; both are compared first.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from octoscope.cnn.activation_maps.class_score import default_cam_layer
from octoscope.cnn.activation_maps.explained_score import ExplainedScore
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.errors import ObservationError, SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.tokenizers import ImageTokenizer, Inputs, matching_keys

# How far our encoder may be from the policy's own, as a share of its largest value.
_TOLERANCE = 1e-3


def action_score(
    model: OctoModel,
    observations: Inputs,
    tasks: Inputs,
    *,
    dim: int,
    horizon_step: int = 0,
    camera: str | None = None,
    layer: str | None = None,
    seed: int = 0,
    head: str = "action",
) -> ExplainedScore:
    """Returns one entry of the normalised action chunk as a function of what a camera sees now.

    Args:
      model: The policy.
      observations: With leading (1, window); the last timestep's picture is looked into, earlier ones stay as they are.
      tasks: From `create_tasks`, batch 1.
      dim: Which dimension of the action, from 0.
      horizon_step: Which step of the chunk, from 0, the next one.
      camera: Name of the image tokenizer; the first by default.
      layer: Of its encoder; the last with weights behind it by default.
      seed: Of the noise that the action is denoised from; fixed for all that is compared.
      head: Which action head.

    Raises:
      SelectionError: If the dimension, step, camera, layer or head does not exist.
      ObservationError: If the encoder reads pictures that cannot be held fixed here (a goal, or several cameras stacked).
    """
    if head not in model.module.heads:
        raise SelectionError(f"The policy has no head '{head}'. It has: {', '.join(model.module.heads)}.")
    mask = model.check_inputs(observations, tasks)
    action_head: Any = model.module.heads[head]
    for name, value, count in (
        ("dim", dim, action_head.action_dim),
        ("horizon_step", horizon_step, action_head.action_horizon),
    ):
        if not 0 <= value < count:
            raise SelectionError(f"`{name}` must be in 0..{count - 1} for {model.name}, got {value}.")
    tokenizer_name, tokenizer, network = _encoder(model, tasks, camera)
    # The end of the encoder has its head behind it too: the whole policy.
    chosen = find_layer(network, layer) if layer is not None else default_cam_layer(network)
    key = _image_key(observations, tokenizer, tokenizer_name)
    image = jnp.asarray(observations[key][:, -1, ..., :3], jnp.float32)
    last = network.forward_to(network.layers[-1].name)
    rng = jax.random.key(seed)

    # What is large goes in as arguments: closed over, it would be baked into the program and folded by the compiler.
    inputs = (model.params, dict(observations), dict(tasks), mask, last.parameters, image)

    def act(params: Any, observations: Inputs, tasks: Inputs, mask: Array, encodings: Array | None) -> Array:
        with nn.intercept_methods(_replacing(f"observation_tokenizers_{tokenizer_name}", encodings)):
            actions = model.module.apply(
                {"params": params}, observations, tasks, mask, rng, head=head, method=OctoModule.act
            )
        return jnp.asarray(actions)[..., 0, horizon_step, dim].reshape(())

    def of_image(params: Any, observations: Any, tasks: Any, mask: Any, weights: Any, _: Any, seen: Array) -> Array:
        return act(params, observations, tasks, mask, last.apply(weights, seen[None]))

    def of_activation(
        params: Any, observations: Any, tasks: Any, mask: Any, weights: Any, image: Any, seen: Array
    ) -> Array:
        return act(
            params, observations, tasks, mask, last.apply(weights, image, edits={chosen.name: lambda _: seen[None]})
        )

    over_batch = (None,) * len(inputs) + (0,)
    whole = functools.partial(jax.jit(jax.vmap(of_image, over_batch)), *inputs)
    tail = functools.partial(jax.jit(jax.vmap(of_activation, over_batch)), *inputs)
    own, ours = float(jax.jit(act)(*inputs[:4], None)), float(whole(image)[0])
    if not np.isclose(own, ours, atol=_TOLERANCE * max(1.0, abs(own))):
        raise ObservationError(
            f"The camera '{tokenizer_name}' of {model.name} cannot be looked into alone with these inputs: with its encoder computed "
            f"apart the action is {ours:.4f} instead of {own:.4f}. Its encoder reads other pictures too (a goal, or a second camera)."
        )
    limit = getattr(action_head, "max_action", np.inf)
    stuck = f"the action stands at its limit of {limit:g}, where nothing small moves it" if abs(own) >= limit else ""
    return ExplainedScore(
        network.name,
        f"action dimension {dim} at horizon step {horizon_step}, noise seed {seed}",
        chosen,
        image,
        network.activation(image, chosen.name),
        network.mean,
        tail,
        whole,
        note="; ".join(part for part in (network.note, stuck) if part),
    )


def camera_picture(explained: ExplainedScore) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture that a score was computed for, as the encoder takes it."""
    return np.asarray(explained.image[0]).round().clip(0, 255).astype(np.uint8)


def _encoder(model: OctoModel, tasks: Inputs, camera: str | None) -> tuple[str, ImageTokenizer, Any]:
    network = policy_network(model, camera)
    name = network.name.removeprefix(f"{model.name} ")
    tokenizer = model.module.octo_transformer.observation_tokenizers[name]
    assert isinstance(tokenizer, ImageTokenizer), "policy_network takes image tokenizers only"
    if tokenizer.task_film_keys:
        entries = [np.asarray(tasks[key]).reshape(-1) for key in tokenizer.task_film_keys]
        network = policy_network(model, name, condition=np.concatenate(entries))
    return name, tokenizer, network


def _image_key(observations: Inputs, tokenizer: ImageTokenizer, camera: str) -> str:
    keys = matching_keys(observations, tokenizer.obs_stack_keys)
    if not keys:
        raise ObservationError(
            f"The observations hold no picture for the camera '{camera}' (looked for {', '.join(tokenizer.obs_stack_keys)})."
        )
    return keys[0]


def _replacing(tokenizer: str, encodings: Array | None) -> Callable[..., Any]:
    """Returns a Flax interceptor that puts `encodings` in place of what the encoder says of the last timestep."""

    def intercept(run: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], context: Any) -> Any:
        output = run(*args, **kwargs)
        path = context.module.path
        if encodings is None or context.method_name != "__call__" or len(path) != 3 or path[1] != tokenizer:
            return output
        return output.at[-1].set(encodings[0]) if getattr(output, "ndim", 0) == 4 else output

    return intercept
