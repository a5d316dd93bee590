"""The parameters of an ACT: their names and shapes as LeRobot saves them, and the nested dicts that the network takes.

Names are the file's without "model."; dense weights stay (out, in) as PyTorch has them, kernels become (height, width, in, out).
The VAE encoder, a third of the file, acts in training only and is not read.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from octoscope.policies.act.backbone import backbone_shapes, backbone_width
from octoscope.policies.act.config import ActConfig
from octoscope.policies.parts.params_tree import PREFIX, load_params


def load_act_params(weights: Mapping[str, np.ndarray], config: ActConfig, *, source: str) -> dict[str, Any]:
    """Returns the parameters of a file; see `load_params`."""
    return load_params(
        weights, act_shapes(config), idle=_is_idle, policy="ACT", source=source, arrange=_kernel_last_axes
    )


def _is_idle(name: str) -> bool:
    return name.startswith(f"{PREFIX}vae_encoder") or name.endswith("num_batches_tracked")


def _kernel_last_axes(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, (2, 3, 1, 0), (0, 1, 2, 3)) if array.ndim == 4 else array


def act_shapes(config: ActConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter that acts, by its name without "model.".

    >>> shapes = act_shapes(ActConfig(("observation.images.top",), 14, None, 14))
    >>> shapes["encoder_img_feat_input_proj.weight"], shapes["decoder_pos_embed.weight"]
    ((512, 512, 1, 1), (100, 512))
    """
    dim = config.dim_model
    shapes = dict(_linear("encoder_latent_input_proj", config.latent_dim, dim))
    if config.state_dim is not None:
        shapes |= _linear("encoder_robot_state_input_proj", config.state_dim, dim)
    if config.environment is not None:
        shapes |= _linear("encoder_env_state_input_proj", config.environment[1], dim)
    if config.cameras:
        shapes |= {f"backbone.{name}": shape for name, shape in backbone_shapes(config.backbone).items()}
        shapes["encoder_img_feat_input_proj.weight"] = (dim, backbone_width(config.backbone), 1, 1)
        shapes["encoder_img_feat_input_proj.bias"] = (dim,)
    shapes["encoder_1d_feature_pos_embed.weight"] = (len(config.plain_tokens), dim)
    shapes["decoder_pos_embed.weight"] = (config.chunk_size, dim)
    for layer in range(config.encoder_layers):
        shapes |= _layer(f"encoder.layers.{layer}", config, attentions=("self_attn",))
    if config.pre_norm:
        shapes |= _norm("encoder.norm", dim)
    for layer in range(config.decoder_layers):
        shapes |= _layer(f"decoder.layers.{layer}", config, attentions=("self_attn", "multihead_attn"))
    return {**shapes, **_norm("decoder.norm", dim), **dict(_linear("action_head", dim, config.action_dim))}


def _layer(name: str, config: ActConfig, *, attentions: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    dim, shapes = config.dim_model, {}
    for attention in attentions:
        shapes[f"{name}.{attention}.in_proj_weight"] = (3 * dim, dim)
        shapes[f"{name}.{attention}.in_proj_bias"] = (3 * dim,)
        shapes |= _linear(f"{name}.{attention}.out_proj", dim, dim)
    shapes |= _linear(f"{name}.linear1", dim, config.dim_feedforward)
    shapes |= _linear(f"{name}.linear2", config.dim_feedforward, dim)
    for norm in range(1, len(attentions) + 2):
        shapes |= _norm(f"{name}.norm{norm}", dim)
    return shapes


def _linear(name: str, into: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, into)
    yield f"{name}.bias", (out,)


def _norm(name: str, dim: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}
