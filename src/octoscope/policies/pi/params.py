"""The parameters of a pi0 or pi0.5: their names as LeRobot and openpi save them, and the nested dicts that the network takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.errors import CheckpointError
from octoscope.policies.parts.layer_shapes import gated_layer_shapes
from octoscope.policies.parts.params_tree import PREFIX, load_params
from octoscope.policies.parts.siglip import siglip_shapes
from octoscope.policies.pi.config import PiConfig
from octoscope.policies.pi.names import EXPERT, PALIGEMMA, PROJECTOR, TEXT, VISION

_EMBEDDING = f"{TEXT}embed_tokens.weight"
_HEAD = f"{PALIGEMMA}lm_head.weight"
_OLD = f"{PALIGEMMA}language_model."


def named_weights(weights: Mapping[str, np.ndarray], *, five: bool, source: str) -> dict[str, np.ndarray]:
    """Returns a file's arrays under LeRobot's names without "model.": openpi's are brought to them, tied embeddings are both.

    Args:
      weights: By their names in the file.
      five: Whether it is a pi0.5, which calls its time MLP otherwise.
      source: The file, for errors.

    Raises:
      CheckpointError: If it was made by a LeRobot before 0.4, which built another tree.
    """
    named = {name.removeprefix(PREFIX): array for name, array in weights.items()}
    if any(name.startswith((_OLD, "paligemma_with_expert.paligemma.vision_tower")) for name in named):
        raise CheckpointError(
            f"{source} was made by a LeRobot before 0.4, whose pi0 was built otherwise and whose actions a newer one does not give. Take a "
            "policy that was made from 'lerobot/pi0_base' or 'lerobot/pi05_base', or convert it with LeRobot."
        )
    ours, theirs = ("time_mlp_", "action_time_mlp_") if five else ("action_time_mlp_", "time_mlp_")
    for name in [name for name in named if name.startswith(theirs)]:
        named.setdefault(ours + name.removeprefix(theirs), named.pop(name))
    if _EMBEDDING not in named and _HEAD in named:
        named[_EMBEDDING] = named[_HEAD]
    return named


def load_pi_params(weights: Mapping[str, np.ndarray], config: PiConfig, *, source: str) -> dict[str, Any]:
    """Returns the parameters, the parts of PaliGemma and the expert side by side; see `load_params`.

    Args:
      weights: From `named_weights`.
      config: The network.
      source: The file, for errors.
    """
    tree = load_params(
        {PREFIX + name: array for name, array in weights.items()},
        pi_shapes(config),
        idle=lambda name: _is_idle(name.removeprefix(PREFIX), config),
        policy="pi0.5" if config.state_in_words else "pi0",
        source=source,
        keep_bfloat16=True,
    )
    both = tree.pop("paligemma_with_expert")
    parts = both["paligemma"]["model"]
    return {
        **tree,
        "vision": parts["vision_tower"]["vision_model"],
        "projector": parts["multi_modal_projector"]["linear"],
        "text": parts["language_model"],
        "expert": both["gemma_expert"]["model"],
    }


def _is_idle(name: str, config: PiConfig) -> bool:
    """Whether an array makes no action: heads over words, the norm in front of one, the expert's own words, pi0.5's token of the state."""
    idle = name.endswith(("lm_head.weight", "rotary_emb.inv_freq")) or name in (
        f"{TEXT}norm.weight",
        f"{EXPERT}embed_tokens.weight",
    )
    return idle or (config.state_in_words and name.startswith("state_proj."))


def pi_shapes(config: PiConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter that acts, by its name without "model.".

    >>> config = PiConfig(("observation.images.top",), 6, 6, state_in_words=True)
    >>> round(sum(np.prod(shape) for shape in pi_shapes(config).values()) / 1e6)
    3353
    """
    sizes, expert = config.sizes, config.sizes.expert_hidden
    inner, keys = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    shapes: dict[str, tuple[int, ...]] = {_EMBEDDING: (sizes.vocabulary, sizes.hidden)}
    for layer in range(sizes.layers):
        for name, dim, intermediate in (
            (f"{TEXT}layers.{layer}.", sizes.hidden, sizes.intermediate),
            (f"{EXPERT}layers.{layer}.", expert, sizes.expert_intermediate),
        ):
            shapes |= gated_layer_shapes(name, dim=dim, source=dim, inner=inner, keys=keys, intermediate=intermediate)
            for norm in ("input_layernorm", "post_attention_layernorm"):
                shapes |= _norm(f"{name}{norm}", dim, timed=config.state_in_words and name.startswith(EXPERT))
    shapes |= _norm(f"{EXPERT}norm", expert, timed=config.state_in_words)
    shapes |= siglip_shapes(
        VISION,
        hidden=sizes.vision_hidden,
        intermediate=sizes.vision_intermediate,
        layers=sizes.vision_layers,
        patch=sizes.patch,
        patches=sizes.patches,
    )
    linears = [
        (PROJECTOR, sizes.vision_hidden, sizes.hidden),
        ("action_in_proj", config.max_action_dim, expert),
        ("action_out_proj", expert, config.max_action_dim),
    ]
    if config.state_in_words:
        linears += [("time_mlp_in", expert, expert), ("time_mlp_out", expert, expert)]
    else:
        linears += [("state_proj", config.max_state_dim, expert), ("action_time_mlp_in", 2 * expert, expert)]
        linears += [("action_time_mlp_out", expert, expert)]
    for name, into, out in linears:
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    return shapes


def _norm(name: str, dim: int, *, timed: bool) -> dict[str, tuple[int, ...]]:
    if timed:
        return {f"{name}.dense.weight": (3 * dim, dim), f"{name}.dense.bias": (3 * dim,)}
    return {f"{name}.weight": (dim,)}
