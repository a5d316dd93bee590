"""The sizes and options of a SmolVLA that change its actions: from its folder, and from the config of the model of words and pictures.

Reference: Shukor et al., "SmolVLA: A Vision-Language-Action Model for Affordable and Efficient Robotics", 2025.
https://arxiv.org/abs/2506.01844
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.text_file import beside
from octoscope.errors import ConfigError
from octoscope.policies.lerobot_folder.features import STATE, features_of_kind
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig

# LeRobot's own model of words and pictures.
VLM_NAME = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"


@dataclass(frozen=True)
class VlmSizes:
    """What a policy folder does not say of its model of words and pictures; defaults are SmolVLM2-500M's."""

    hidden: int = 960
    layers: int = 32
    heads: int = 15
    kv_heads: int = 5
    head_dim: int = 64
    intermediate: int = 2560
    vocabulary: int = 49280
    vision_hidden: int = 768
    vision_intermediate: int = 3072
    vision_layers: int = 12
    vision_heads: int = 12
    patch: int = 16
    image: int = 512
    # Patches of one side that become one token.
    shuffle: int = 4


@dataclass(frozen=True)
class SmolVlaConfig:
    """What the network is built from; defaults are LeRobot's."""

    # Names of the cameras' features, in order; those of empty cameras too.
    cameras: tuple[str, ...]
    state_dim: int
    action_dim: int
    vlm: VlmSizes
    # Height and width of the policy's picture.
    image_size: tuple[int, int] = (512, 512)
    # Cameras that may be missing: each becomes a picture that no token may look at.
    empty_cameras: int = 0
    special_tokens: bool = False
    # Tokens that the prefix is padded to behind the state; -1 pads nothing.
    prefix_length: int = -1
    max_state_dim: int = 32
    max_action_dim: int = 32
    chunk_size: int = 50
    passes: int = 10
    layers: int = 16
    # Every how many layers of the expert look at the actions too; the others look at the prefix alone. 0 or less: no layer.
    self_attention_every: int = 2
    expert_width: float = 0.75
    periods: tuple[float, float] = (4e-3, 4.0)

    @property
    def expert_hidden(self) -> int:
        """Entries of an action token."""
        return int(self.vlm.hidden * self.expert_width)

    @property
    def expert_intermediate(self) -> int:
        """Inner entries of the expert's MLPs: two thirds of four times its width, rounded up to a multiple of 256."""
        inner = int(2 * self.expert_hidden * 4 / 3)
        return 256 * -(-inner // 256)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a camera's tokens."""
        side = self.vlm.patch * self.vlm.shuffle
        return self.image_size[0] // side, self.image_size[1] // side

    def looks_at_actions(self, layer: int) -> bool:
        """Whether the expert's layer sees the actions beside the prefix."""
        return self.self_attention_every > 0 and layer % self.self_attention_every == 0


def read_smolvla_config(config: PolicyConfig, folder: Path) -> SmolVlaConfig:
    """Returns the network that a folder describes.

    Raises:
      ConfigError: If it has an option that is not read here.
    """
    state = [feature for feature in features_of_kind(config.inputs, "STATE") if feature.name == STATE]
    if not state or not config.cameras:
        raise ConfigError(f"A SmolVLA takes '{STATE}' and at least one camera; `input_features` lacks one of them.")
    vlm = _vlm_sizes(config, folder)
    size = config.fields.get("resize_imgs_with_padding", [512, 512])
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise ConfigError(f"`resize_imgs_with_padding` must be [width, height] in pixels, got {size!r}.")
    layers = config.field("num_vlm_layers", SmolVlaConfig.layers, least=-1)
    smolvla = SmolVlaConfig(
        cameras=tuple(camera.name for camera in config.cameras),
        state_dim=state[0].size,
        action_dim=config.action.size,
        vlm=vlm,
        # LeRobot says the width first.
        image_size=(size[1], size[0]),
        empty_cameras=config.field("empty_cameras", 0, least=0),
        special_tokens=config.field("add_image_special_tokens", False),
        prefix_length=config.field("prefix_length", -1, least=-1),
        max_state_dim=config.field("max_state_dim", 32),
        max_action_dim=config.field("max_action_dim", 32),
        chunk_size=config.field("chunk_size", 50),
        passes=config.field("num_steps", 10),
        layers=layers if layers > 0 else vlm.layers,
        self_attention_every=config.field("self_attn_every_n_layers", 2, least=-1),
        expert_width=config.field("expert_width_multiplier", 0.75),
        periods=(config.field("min_period", 4e-3), config.field("max_period", 4.0)),
    )
    _check(smolvla, config)
    return smolvla


def _check(smolvla: SmolVlaConfig, config: PolicyConfig) -> None:
    if config.field("attention_mode", "cross_attn") != "cross_attn":
        raise ConfigError(f"`attention_mode` '{config.fields['attention_mode']}' is not read here, only 'cross_attn'.")
    if config.field("num_expert_layers", -1, least=-1) not in (-1, 0, smolvla.layers):
        raise ConfigError("`num_expert_layers` other than the number of layers of the whole is not read here.")
    config.refuse_aloha()
    if config.field("n_obs_steps", 1) != 1:
        raise ConfigError(f"`n_obs_steps` of a SmolVLA is 1, got {config.fields['n_obs_steps']}.")
    side = smolvla.vlm.patch * smolvla.vlm.shuffle
    if smolvla.image_size != (smolvla.vlm.image, smolvla.vlm.image) or smolvla.vlm.image % side:
        raise ConfigError(
            f"`resize_imgs_with_padding` must be {smolvla.vlm.image} on both sides, the size of the policy's vision encoder, got "
            f"{smolvla.image_size[::-1]}."
        )
    if smolvla.state_dim > smolvla.max_state_dim or smolvla.action_dim > smolvla.max_action_dim:
        raise ConfigError(
            "`max_state_dim` and `max_action_dim` of config.json are smaller than the policy's state or action."
        )


def _vlm_sizes(config: PolicyConfig, folder: Path) -> VlmSizes:
    name = config.field("vlm_model_name", VLM_NAME)
    place = beside(name, "config.json", folder)
    if place is not None:
        return _read_sizes(read_json(place), place)
    if name.startswith("HuggingFaceTB/SmolVLM2-500M"):
        return VlmSizes()
    raise ConfigError(
        f"The sizes of '{name}' are not known here. Put its config.json at {folder / name / 'config.json'}."
    )


def _read_sizes(sizes: Mapping[str, Any], place: Path) -> VlmSizes:
    try:
        text, vision = sizes["text_config"], sizes["vision_config"]
        return VlmSizes(
            hidden=text["hidden_size"],
            layers=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            kv_heads=text["num_key_value_heads"],
            head_dim=text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"],
            intermediate=text["intermediate_size"],
            vocabulary=text["vocab_size"],
            vision_hidden=vision["hidden_size"],
            vision_intermediate=vision["intermediate_size"],
            vision_layers=vision["num_hidden_layers"],
            vision_heads=vision["num_attention_heads"],
            patch=vision["patch_size"],
            image=vision["image_size"],
            shuffle=sizes["scale_factor"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{place} is not the config of a SmolVLM ({type(error).__name__}: {error}).") from None
