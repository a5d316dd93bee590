"""The sizes and options of a pi0 or pi0.5 that change its actions: from its folder, and from the shapes of its weights.

References: Black et al., "pi0: A Vision-Language-Action Flow Model for General Robot Control", 2024, https://arxiv.org/abs/2410.24164;
Physical Intelligence, "pi0.5: a Vision-Language-Action Model with Open-World Generalization", 2025, https://arxiv.org/abs/2504.16054
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.text_file import beside
from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.lerobot_folder.features import STATE, features_of_kind
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig
from octoscope.policies.pi.names import EXPERT, TEXT, VISION

# The tokenizer that LeRobot reads words with; gated on the hub.
TOKENIZER = "google/paligemma-3b-pt-224"
# Of both Gemmas that LeRobot builds, whatever their sizes.
_HEADS = 8
# SigLIP so400m, which is 1152 wide, has 16.
_SIGLIP_WIDTH, _SIGLIP_HEADS = 1152, 16


@dataclass(frozen=True)
class PiSizes:
    """What no config says: defaults are those of PaliGemma 3B with an expert of 300 M."""

    hidden: int = 2048
    layers: int = 18
    heads: int = _HEADS
    kv_heads: int = 1
    head_dim: int = 256
    intermediate: int = 16384
    vocabulary: int = 257152
    expert_hidden: int = 1024
    expert_intermediate: int = 4096
    vision_hidden: int = _SIGLIP_WIDTH
    vision_intermediate: int = 4304
    vision_layers: int = 27
    vision_heads: int = _SIGLIP_HEADS
    patch: int = 14
    patches: int = 256


@dataclass(frozen=True)
class PiConfig:
    """What the network is built from; defaults are LeRobot's."""

    # Names of the cameras' features, in order; those of empty cameras too.
    cameras: tuple[str, ...]
    state_dim: int
    action_dim: int
    # pi0.5: the state is told in words, and time goes into the expert's norms.
    state_in_words: bool
    sizes: PiSizes = PiSizes()
    # Height and width of the policy's picture.
    image_size: tuple[int, int] = (224, 224)
    max_state_dim: int = 32
    max_action_dim: int = 32
    chunk_size: int = 50
    passes: int = 10
    periods: tuple[float, float] = (4e-3, 4.0)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a camera's tokens."""
        return self.image_size[0] // self.sizes.patch, self.image_size[1] // self.sizes.patch

    @property
    def suffix(self) -> int:
        """Tokens of the suffix: the actions, and in pi0 the state in front of them."""
        return self.chunk_size + (not self.state_in_words)


def read_pi_config(config: PolicyConfig, sizes: PiSizes) -> PiConfig:
    """Returns the network that a folder describes.

    Raises:
      ConfigError: If it has an option that is not read here.
    """
    state = [feature for feature in features_of_kind(config.inputs, "STATE") if feature.name == STATE]
    if not state or not config.cameras:
        raise ConfigError(f"A pi0 takes '{STATE}' and at least one camera; `input_features` lacks one of them.")
    size = config.fields.get("image_resolution", [224, 224])
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise ConfigError(f"`image_resolution` must be [height, width] in pixels, got {size!r}.")
    if config.field("n_obs_steps", 1) != 1:
        raise ConfigError(f"`n_obs_steps` of a pi0 is 1, got {config.fields['n_obs_steps']}.")
    config.refuse_aloha()
    pi = PiConfig(
        cameras=tuple(camera.name for camera in config.cameras),
        state_dim=state[0].size,
        action_dim=config.action.size,
        state_in_words=config.kind == "pi05",
        sizes=sizes,
        image_size=(size[0], size[1]),
        max_state_dim=config.field("max_state_dim", 32),
        max_action_dim=config.field("max_action_dim", 32),
        chunk_size=config.field("chunk_size", 50),
        passes=config.field("num_inference_steps", 10),
        periods=(config.field("min_period", 4e-3), config.field("max_period", 4.0)),
    )
    if pi.state_dim > pi.max_state_dim or pi.action_dim > pi.max_action_dim:
        raise ConfigError(
            "`max_state_dim` and `max_action_dim` of config.json are smaller than the policy's state or action."
        )
    if pi.grid[0] * pi.grid[1] != sizes.patches:
        raise ConfigError(
            f"`image_resolution` {size} gives {pi.grid[0]} x {pi.grid[1]} patches, but the weights hold positions for {sizes.patches}."
        )
    return pi


def read_sizes(weights: Mapping[str, np.ndarray], folder: Path, *, source: str) -> tuple[PiSizes, str]:
    """Returns the sizes that the weights have, and what must be said of how they were told.

    Heads cannot be told from shapes: Gemma's are LeRobot's 8, SigLIP's those of so400m; of another width, those of the config.json beside
    the tokenizer, else as many as make them as wide as Gemma's.

    Raises:
      CheckpointError: If a weight is missing that tells a size.
    """
    shapes = {name: array.shape for name, array in weights.items()}
    try:
        query, key = (
            shapes[f"{TEXT}layers.0.self_attn.q_proj.weight"],
            shapes[f"{TEXT}layers.0.self_attn.k_proj.weight"],
        )
        mlp, expert = shapes[f"{TEXT}layers.0.mlp.up_proj.weight"], shapes[f"{EXPERT}layers.0.mlp.up_proj.weight"]
        kernel, positions = (
            shapes[f"{VISION}embeddings.{name}.weight"] for name in ("patch_embedding", "position_embedding")
        )
        inner, vocabulary = (
            shapes[name] for name in (f"{VISION}encoder.layers.0.mlp.fc1.weight", f"{TEXT}embed_tokens.weight")
        )
    except KeyError as error:
        raise CheckpointError(
            f"{source} lacks {error}, which a pi0 or pi0.5 of LeRobot 0.4 and later has. Copy the policy's folder again from its source."
        ) from None
    head_dim = query[0] // _HEADS
    heads, remark = _vision_heads(kernel[0], head_dim, folder)
    sizes = PiSizes(
        hidden=query[1],
        layers=_count(shapes, TEXT),
        kv_heads=key[0] // head_dim,
        head_dim=head_dim,
        intermediate=mlp[0],
        vocabulary=vocabulary[0],
        expert_hidden=expert[1],
        expert_intermediate=expert[0],
        vision_hidden=kernel[0],
        vision_intermediate=inner[0],
        vision_layers=_count(shapes, f"{VISION}encoder."),
        vision_heads=heads,
        patch=kernel[2],
        patches=positions[0],
    )
    return sizes, remark


def _vision_heads(width: int, head_dim: int, folder: Path) -> tuple[int, str]:
    place = beside(TOKENIZER, "config.json", folder)
    if place is not None:
        sizes: Any = read_json(place)
        heads = sizes.get("vision_config", {}).get("num_attention_heads") if isinstance(sizes, Mapping) else None
        if type(heads) is not int or heads < 1 or width % heads:
            raise ConfigError(
                f"{place} must say `vision_config.num_attention_heads`, a divisor of {width}, got {heads!r}."
            )
        return heads, ""
    if width == _SIGLIP_WIDTH:
        return _SIGLIP_HEADS, ""
    heads = max(1, width // head_dim) if width % head_dim == 0 else 1
    return heads, (
        f"No file says how many heads the vision encoder of {width} entries has: {heads} were taken, as wide as Gemma's. Put the model's "
        f"config.json at {folder / TOKENIZER / 'config.json'} to say it."
    )


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    start = f"{prefix}layers."
    return len({name.removeprefix(start).partition(".")[0] for name in shapes if name.startswith(start)})
