"""The parameters of a SmolVLA: their names and shapes as LeRobot saves them, and the nested dicts that the network takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.policies.parts.layer_shapes import gated_layer_shapes
from octoscope.policies.parts.params_tree import PREFIX, load_params
from octoscope.policies.parts.siglip import siglip_shapes
from octoscope.policies.smolvla.config import SmolVlaConfig

_VLM = "vlm_with_expert.vlm."
_TEXT = _VLM + "model.text_model."
_VISION = _VLM + "model.vision_model."
_EXPERT = "vlm_with_expert.lm_expert."


def load_smolvla_params(weights: Mapping[str, np.ndarray], config: SmolVlaConfig, *, source: str) -> dict[str, Any]:
    """Returns the parameters of a file, the parts of the model of words and pictures side by side; see `load_params`."""
    tree = load_params(
        weights,
        smolvla_shapes(config),
        # The head over words, and the norm in front of it, make no action.
        idle=lambda name: "lm_head" in name or name == f"{PREFIX}{_TEXT}norm.weight",
        policy="SmolVLA",
        source=source,
        keep_bfloat16=True,
    )
    both = tree.pop("vlm_with_expert")
    parts = both["vlm"]["model"]
    return {
        **tree,
        "vision": parts["vision_model"],
        "connector": parts["connector"]["modality_projection"]["proj"],
        "text": parts["text_model"],
        "expert": both["lm_expert"],
    }


def smolvla_shapes(config: SmolVlaConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter that acts, by its name without "model."."""
    vlm, expert = config.vlm, config.expert_hidden
    inner, keys = vlm.heads * vlm.head_dim, vlm.kv_heads * vlm.head_dim
    shapes: dict[str, tuple[int, ...]] = {_TEXT + "embed_tokens.weight": (vlm.vocabulary, vlm.hidden)}
    for layer in range(config.layers):
        shapes |= _layer(f"{_TEXT}layers.{layer}.", vlm.hidden, vlm.hidden, inner, keys, vlm.intermediate)
        # Layers that look at the prefix alone read its keys and values through projections of their own.
        source = expert if config.looks_at_actions(layer) else keys
        shapes |= _layer(f"{_EXPERT}layers.{layer}.", expert, source, inner, keys, config.expert_intermediate)
    shapes[_EXPERT + "norm.weight"] = (expert,)
    shapes |= siglip_shapes(
        _VISION,
        hidden=vlm.vision_hidden,
        intermediate=vlm.vision_intermediate,
        layers=vlm.vision_layers,
        patch=vlm.patch,
        patches=(vlm.image // vlm.patch) ** 2,
    )
    connector = f"{_VLM}model.connector.modality_projection.proj.weight"
    shapes[connector] = (vlm.hidden, vlm.vision_hidden * vlm.shuffle**2)
    for name, into, out in (
        ("state_proj", config.max_state_dim, vlm.hidden),
        ("action_in_proj", config.max_action_dim, expert),
        ("action_out_proj", expert, config.max_action_dim),
        ("action_time_mlp_in", 2 * expert, expert),
        ("action_time_mlp_out", expert, expert),
    ):
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    return shapes


def _layer(name: str, dim: int, source: int, inner: int, keys: int, intermediate: int) -> dict[str, tuple[int, ...]]:
    norms = {f"{name}{norm}.weight": (dim,) for norm in ("input_layernorm", "post_attention_layernorm")}
    return norms | gated_layer_shapes(name, dim=dim, source=source, inner=inner, keys=keys, intermediate=intermediate)
