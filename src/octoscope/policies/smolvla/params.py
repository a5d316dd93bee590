"""The parameters of a SmolVLA: their names and shapes as LeRobot saves them, and the nested dicts that the network takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.policies.parts.params_tree import PREFIX, load_params
from octoscope.policies.smolvla.config import SmolVlaConfig

_VLM = "vlm_with_expert.vlm."
_TEXT = _VLM + "model.text_model."
_VISION = _VLM + "model.vision_model."
_EXPERT = "vlm_with_expert.lm_expert."


def load_smolvla_params(weights: Mapping[str, np.ndarray], config: SmolVlaConfig, *, source: str) -> dict[str, Any]:
    """Returns the parameters of a file, the parts of the model of words and pictures side by side; see `load_params`."""
    tree = load_params(
        weights,
        _smolvla_shapes(config),
        # The head over words, and the norm in front of it, make no action.
        idle=lambda name: "lm_head" in name or name == f"{PREFIX}{_TEXT}norm.weight",
        policy="SmolVLA",
        source=source,
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


def _smolvla_shapes(config: SmolVlaConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter that acts, by its name without "model."."""
    vlm, expert = config.vlm, config.expert_hidden
    inner, keys = vlm.heads * vlm.head_dim, vlm.kv_heads * vlm.head_dim
    shapes: dict[str, tuple[int, ...]] = {_TEXT + "embed_tokens.weight": (vlm.vocabulary, vlm.hidden)}
    for layer in range(config.layers):
        shapes |= _gated_layer(f"{_TEXT}layers.{layer}.", vlm.hidden, vlm.hidden, inner, keys, vlm.intermediate)
        # Layers that look at the prefix alone read its keys and values through projections of their own.
        source = expert if config.looks_at_actions(layer) else keys
        shapes |= _gated_layer(f"{_EXPERT}layers.{layer}.", expert, source, inner, keys, config.expert_intermediate)
    shapes[_EXPERT + "norm.weight"] = (expert,)
    shapes |= _vision_shapes(config)
    for name, into, out in (
        ("state_proj", config.max_state_dim, vlm.hidden),
        ("action_in_proj", config.max_action_dim, expert),
        ("action_out_proj", expert, config.max_action_dim),
        ("action_time_mlp_in", 2 * expert, expert),
        ("action_time_mlp_out", expert, expert),
    ):
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    return shapes


def _gated_layer(
    name: str, dim: int, source: int, inner: int, keys: int, intermediate: int
) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}input_layernorm.weight": (dim,),
        f"{name}post_attention_layernorm.weight": (dim,),
        f"{name}self_attn.q_proj.weight": (inner, dim),
        f"{name}self_attn.k_proj.weight": (keys, source),
        f"{name}self_attn.v_proj.weight": (keys, source),
        f"{name}self_attn.o_proj.weight": (dim, inner),
        f"{name}mlp.gate_proj.weight": (intermediate, dim),
        f"{name}mlp.up_proj.weight": (intermediate, dim),
        f"{name}mlp.down_proj.weight": (dim, intermediate),
    }


def _vision_shapes(config: SmolVlaConfig) -> dict[str, tuple[int, ...]]:
    vlm = config.vlm
    dim, inner = vlm.vision_hidden, vlm.vision_intermediate
    shapes: dict[str, tuple[int, ...]] = {
        f"{_VISION}embeddings.patch_embedding.weight": (dim, 3, vlm.patch, vlm.patch),
        f"{_VISION}embeddings.patch_embedding.bias": (dim,),
        f"{_VISION}embeddings.position_embedding.weight": ((vlm.image // vlm.patch) ** 2, dim),
        f"{_VISION}post_layernorm.weight": (dim,),
        f"{_VISION}post_layernorm.bias": (dim,),
        f"{_VLM}model.connector.modality_projection.proj.weight": (vlm.hidden, dim * vlm.shuffle**2),
    }
    for layer in range(vlm.vision_layers):
        name = f"{_VISION}encoder.layers.{layer}."
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{name}{norm}.weight": (dim,), f"{name}{norm}.bias": (dim,)}
        projections = {f"self_attn.{part}": (dim, dim) for part in ("q_proj", "k_proj", "v_proj", "out_proj")}
        for part, shape in {**projections, "mlp.fc1": (inner, dim), "mlp.fc2": (dim, inner)}.items():
            shapes |= {f"{name}{part}.weight": shape, f"{name}{part}.bias": shape[:1]}
    return shapes
