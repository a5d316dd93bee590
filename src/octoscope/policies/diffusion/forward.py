"""The whole of a Diffusion Policy as pure functions: pictures to key points, key points to a condition, noise to actions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from octoscope.policies.act.backbone import backbone_maps
from octoscope.policies.diffusion.config import DiffusionConfig
from octoscope.policies.diffusion.schedule import schedule
from octoscope.policies.diffusion.unet import unet
from octoscope.policies.parts.layers import EXACT, dense

AnyArray = Array | np.ndarray
Params = Mapping[str, Any]


class DiffusionInputs(NamedTuple):
    """One decision's inputs, normalised."""

    # By the name of the camera's feature, whole frames.
    images: Mapping[str, Float[AnyArray, "window height width 3"]]
    state: Float[AnyArray, "window number"]
    environment: Float[AnyArray, "window number"] | None


class Seen(NamedTuple):
    """What the pictures gave."""

    condition: Float[AnyArray, " condition"]
    # Where each key point looks: a distribution over the cells of the map.
    weights: Float[AnyArray, "camera window keypoint cell"]


def see(
    params: Params, config: DiffusionConfig, inputs: DiffusionInputs, hidden: Bool[AnyArray, "camera window cell"]
) -> Seen:
    """Returns what the U-Net is told, and where the key points lie.

    Args:
      params: The policy's.
      config: The network.
      inputs: What it acts on.
      hidden: Cells that no key point may lie on.
    """
    features, weights = [jnp.asarray(inputs.state)], []
    for at, camera in enumerate(config.cameras):
        encoder = params["rgb_encoder"][str(at)] if config.separate else params["rgb_encoder"]
        made, seen = _encode(encoder, config, jnp.asarray(inputs.images[camera]), jnp.asarray(hidden[at]))
        features.append(made)
        weights.append(seen)
    if inputs.environment is not None:
        features.append(jnp.asarray(inputs.environment))
    cells = config.grid[0] * config.grid[1]
    stacked = jnp.stack(weights) if weights else jnp.zeros((0, config.steps, config.keypoints, cells))
    return Seen(jnp.concatenate(features, axis=-1).ravel(), stacked)


def _encode(
    params: Params,
    config: DiffusionConfig,
    images: Float[Array, "window height width 3"],
    hidden: Bool[Array, "window cell"],
) -> tuple[Float[Array, "window feature"], Float[Array, "window keypoint cell"]]:
    (top, left), (height, width) = crop_corner(config), config.crop
    maps = backbone_maps(
        params["backbone"], images[:, top : top + height, left : left + width], backbone=config.backbone
    )
    nets = params["pool"]["nets"]
    logits = jnp.einsum("wyxi,io->woyx", maps["layer4"], nets["weight"][0, 0], precision=EXACT)
    logits = logits + nets["bias"][:, None, None]
    logits = logits.reshape(*logits.shape[:2], -1)
    weights = jax.nn.softmax(jnp.where(hidden[:, None], -jnp.inf, logits), axis=-1)
    rows, columns = (np.linspace(-1, 1, size) for size in config.grid)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float32)
    points = jnp.einsum("wkc,cd->wkd", weights, grid, precision=EXACT)
    return jax.nn.relu(dense(params["out"], points.reshape(len(points), -1))), weights


def crop_corner(config: DiffusionConfig) -> tuple[int, int]:
    """Returns the row and column where the middle that the network sees begins, rounded as torchvision rounds it."""
    (height, width), (tall, wide) = config.frame, config.crop
    return round((height - tall) / 2), round((width - wide) / 2)


def denoise(
    params: Params,
    config: DiffusionConfig,
    condition: Float[AnyArray, " condition"],
    noise: Float[AnyArray, "draw horizon dim"],
) -> Float[Array, "chunk dim"]:
    """Returns the actions from now on.

    Args:
      params: The policy's.
      config: The network.
      condition: See `see`.
      noise: What they start from, then what each pass adds.
    """
    passes = schedule(config)

    def one_pass(
        actions: Float[Array, "horizon dim"], at: tuple[Any, Array]
    ) -> tuple[Float[Array, "horizon dim"], None]:
        entry, fresh = at
        predicted = unet(params["unet"], config, actions, entry.times.astype(jnp.float32), jnp.asarray(condition))
        if config.predicts == "epsilon":
            clean, epsilon = (actions - entry.noise_root * predicted) / entry.signal_root, predicted
        else:
            clean, epsilon = predicted, (actions - entry.signal_root * predicted) / entry.noise_root
        clean = clean if config.clip is None else jnp.clip(clean, -config.clip, config.clip)
        other = actions if config.scheduler == "DDPM" else epsilon
        return entry.clean_factor * clean + entry.noisy_factor * other + entry.noise_factor * fresh, None

    entries = jax.tree.map(jnp.asarray, passes)
    actions, _ = jax.lax.scan(one_pass, jnp.asarray(noise[0]), (entries, jnp.asarray(noise[1:])))
    return actions[config.steps - 1 : config.steps - 1 + config.chunk_size]
