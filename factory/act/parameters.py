"""Random parameters for a new ACT, the VAE encoder's too, by LeRobot's names and nested as the network takes them."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from factory.act.shape import VAE_LAYERS
from octoscope.array_typing import Float32
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.params import act_shapes

# What the last norm of a residual block begins with: without batch statistics, sums of blocks would grow.
_BLOCK_GAIN = 0.3
# The layer that is asked where the red object appears.
QUESTION = "question"


def all_shapes(config: ActConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter, of those that act and of the VAE encoder, by its name without "model."."""
    dim = config.dim_model
    layers = act_shapes(replace(config, encoder_layers=VAE_LAYERS))
    vae = {f"vae_{name}": shape for name, shape in layers.items() if name.startswith("encoder.")}
    for name, into in (("robot_state", config.state_dim), ("action", config.action_dim)):
        vae[f"vae_encoder_{name}_input_proj.weight"] = (dim, into or 0)
        vae[f"vae_encoder_{name}_input_proj.bias"] = (dim,)
    vae["vae_encoder_cls_embed.weight"] = (1, dim)
    vae["vae_encoder_latent_output_proj.weight"] = (2 * config.latent_dim, dim)
    vae["vae_encoder_latent_output_proj.bias"] = (2 * config.latent_dim,)
    vae["vae_encoder_pos_enc"] = (1, config.chunk_size + 2, dim)
    # A question that training asks, thrown away after it; see `losses`.
    question = {f"{QUESTION}.weight": (2, dim), f"{QUESTION}.bias": (2,)}
    return {**act_shapes(config), **vae, **question}


def fresh_parameters(config: ActConfig, *, seed: int) -> dict[str, jax.Array]:
    """Returns random parameters by their names, as PyTorch stores them."""
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(_fresh(name, shape, rng)) for name, shape in all_shapes(config).items()}


def is_trained(name: str) -> bool:
    """Whether training changes a parameter: the statistics of frozen norms and the VAE's positions stay as they are."""
    return not name.endswith(("running_mean", "running_var", "pos_enc"))


def _fresh(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if name == "vae_encoder_pos_enc":
        return sine_table(shape[1], shape[2])[None]
    if "embed.weight" in name:
        return rng.normal(size=shape).astype(np.float32)
    if len(shape) == 4:
        return rng.normal(0.0, math.sqrt(2.0 / math.prod(shape[1:])), shape).astype(np.float32)
    if len(shape) == 2:
        # Glorot & Bengio, 2010; an input projection holds three squares.
        out = shape[0] // 3 if "in_proj" in name else shape[0]
        bound = math.sqrt(6.0 / (out + shape[1]))
        return rng.uniform(-bound, bound, shape).astype(np.float32)
    if name.endswith(".running_var"):
        return np.ones(shape, np.float32)
    if name.endswith(".weight"):
        return np.full(shape, _BLOCK_GAIN if name.endswith("bn2.weight") else 1.0, np.float32)
    return np.zeros(shape, np.float32)


def sine_table(positions: int, dim: int) -> Float32[np.ndarray, "position embed"]:
    """Returns the positions of the VAE encoder's tokens: sines in even entries, cosines in odd ones (Vaswani et al., 2017)."""
    entries = np.arange(dim)
    angles = np.arange(positions)[:, None] / 10_000.0 ** (2 * (entries // 2) / dim)
    return np.where(entries % 2 == 0, np.sin(angles), np.cos(angles)).astype(np.float32)


def nested(parameters: dict[str, jax.Array]) -> dict:
    """Returns parameters as the network takes them: nested by their names, kernels as (height, width, in, out)."""
    tree: dict = {}
    for name, leaf in parameters.items():
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = jnp.moveaxis(leaf, (2, 3, 1, 0), (0, 1, 2, 3)) if leaf.ndim == 4 else leaf
    return tree
