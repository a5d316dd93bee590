"""The sizes and options of an ACT that change its actions, read from a LeRobot folder's config.

Reference: Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", RSS 2023.
https://arxiv.org/abs/2304.13705
"""

from dataclasses import dataclass
from typing import NamedTuple

from octoscope.errors import ConfigError, nearest
from octoscope.policies.lerobot_folder.features import STATE, features_of_kind
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig


class Backbone(NamedTuple):
    """The sizes of a residual network."""

    # Blocks of each of the four stages.
    blocks: tuple[int, int, int, int]
    # Whether they are bottlenecks (1x1, 3x3, 1x1 to four times the width).
    bottleneck: bool = False
    # Channels of the first stage; each stage has twice as many as the one before.
    width: int = 64


# torchvision's, by its names.
BACKBONES = {
    "resnet18": Backbone((2, 2, 2, 2)),
    "resnet34": Backbone((3, 4, 6, 3)),
    "resnet50": Backbone((3, 4, 6, 3), bottleneck=True),
    "resnet101": Backbone((3, 4, 23, 3), bottleneck=True),
    "resnet152": Backbone((3, 8, 36, 3), bottleneck=True),
}
# Small enough to ship inside a program; torchvision and LeRobot have none of these: a ResNet10 an eighth as wide, 78,000 parameters.
SMALL_BACKBONES = {"resnet10_eighth": Backbone((1, 1, 1, 1), width=8)}
_ACTIVATIONS = ("relu", "gelu")


@dataclass(frozen=True)
class ActConfig:
    """What the network is built from; defaults are LeRobot's."""

    # Names of the cameras' features, in the order of their tokens.
    cameras: tuple[str, ...]
    # Entries of `observation.state`; None: the policy takes none.
    state_dim: int | None
    # Name and entries of the environment's state; None: the policy takes none.
    environment: tuple[str, int] | None
    action_dim: int
    # Actions of one chunk.
    chunk_size: int = 100
    backbone: str = "resnet18"
    # The last stage of the backbone keeps its size and spreads its kernels instead: 16 pixels a cell, not 32.
    dilated: bool = False
    # Norms before the attention and MLP of each layer, and one behind the encoder.
    pre_norm: bool = False
    dim_model: int = 512
    heads: int = 8
    dim_feedforward: int = 3200
    activation: str = "relu"
    encoder_layers: int = 4
    decoder_layers: int = 1
    latent_dim: int = 32

    @property
    def plain_tokens(self) -> tuple[str, ...]:
        """The groups of one token each that come before the images."""
        state = ("state",) if self.state_dim is not None else ()
        environment = ("environment_state",) if self.environment is not None else ()
        return ("latent", *state, *environment)

    @property
    def head_dim(self) -> int:
        """Entries of a query."""
        return self.dim_model // self.heads


def backbone_sizes(name: str) -> Backbone:
    """Returns the sizes of a backbone, of torchvision's or of the small ones."""
    return (BACKBONES | SMALL_BACKBONES)[name]


def read_act_config(config: PolicyConfig) -> ActConfig:
    """Returns the network that a folder's config describes.

    Raises:
      ConfigError: If it is no network that ACT has, saying which field is at fault.
    """
    states = [feature for feature in features_of_kind(config.inputs, "STATE") if feature.name == STATE]
    environments = features_of_kind(config.inputs, "ENV")
    act = ActConfig(
        cameras=tuple(camera.name for camera in config.cameras),
        state_dim=states[0].size if states else None,
        environment=(environments[0].name, environments[0].size) if environments else None,
        action_dim=config.action.size,
        chunk_size=config.field("chunk_size", ActConfig.chunk_size),
        backbone=config.field("vision_backbone", ActConfig.backbone),
        dilated=config.field("replace_final_stride_with_dilation", ActConfig.dilated),
        pre_norm=config.field("pre_norm", ActConfig.pre_norm),
        dim_model=config.field("dim_model", ActConfig.dim_model),
        heads=config.field("n_heads", ActConfig.heads),
        dim_feedforward=config.field("dim_feedforward", ActConfig.dim_feedforward),
        activation=config.field("feedforward_activation", ActConfig.activation),
        encoder_layers=config.field("n_encoder_layers", ActConfig.encoder_layers),
        decoder_layers=config.field("n_decoder_layers", ActConfig.decoder_layers),
        latent_dim=config.field("latent_dim", ActConfig.latent_dim),
    )
    _check(act, steps=config.field("n_obs_steps", 1))
    return act


def _check(act: ActConfig, *, steps: int) -> None:
    if steps != 1:
        raise ConfigError(f"`n_obs_steps` of an ACT is 1, got {steps}.")
    if not act.cameras and act.environment is None:
        raise ConfigError("An ACT takes at least one camera or an environment's state; `input_features` holds neither.")
    if act.backbone not in (names := (*BACKBONES, *SMALL_BACKBONES)):
        raise ConfigError(
            f"`vision_backbone` must be one of {', '.join(names)}, got '{act.backbone}'.{nearest(act.backbone, names)}"
        )
    if act.activation not in _ACTIVATIONS:
        # LeRobot also names "glu", which halves its input and fits none of its own layers.
        raise ConfigError(f"`feedforward_activation` must be one of {', '.join(_ACTIVATIONS)}, got '{act.activation}'.")
    if act.dim_model % act.heads:
        raise ConfigError(f"`dim_model` must be a multiple of `n_heads`, got {act.dim_model} and {act.heads}.")
    if act.cameras and act.dim_model % 4:
        raise ConfigError(f"`dim_model` must be a multiple of 4 for the positions of patches, got {act.dim_model}.")
