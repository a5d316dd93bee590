"""Which tokens an ACT has for pictures of given sizes, and which of them each of its attentions looks from and at."""

from collections.abc import Mapping
from dataclasses import dataclass

from octoscope.policies.act.backbone import backbone_field
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.stacks import CROSS, DECODER, ENCODER
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.tokens.receptive_field import ReceptiveField

ACTIONS = "action"


@dataclass(frozen=True)
class TokenGroup:
    """Neighbouring tokens of one source."""

    # "latent", "state", "environment_state", "image_CAMERA" or "action".
    name: str
    # Place of the first among the queries or keys of a stack.
    start: int
    size: int
    # The camera's feature, for cells of a picture.
    camera: str | None = None
    # Rows and columns of its cells.
    grid: tuple[int, int] | None = None
    # What a cell sees: its own `stride` pixels are a small part of it.
    field: ReceptiveField | None = None

    @property
    def stop(self) -> int:
        """Place behind the last."""
        return self.start + self.size


@dataclass(frozen=True)
class AttentionStack:
    """Attention layers over one set of queries and keys."""

    name: str
    layers: int
    heads: int
    queries: tuple[TokenGroup, ...]
    keys: tuple[TokenGroup, ...]
    # Layers whose weights no input can change.
    constant_layers: tuple[int, ...] = ()


def encoder_groups(config: ActConfig, sizes: Mapping[str, tuple[int, int]]) -> tuple[TokenGroup, ...]:
    """Returns the groups of the encoder's tokens, in order.

    Args:
      config: The network.
      sizes: Height and width of each camera's picture, in pixels.

    >>> config = ActConfig(("observation.images.top",), 14, None, 14)
    >>> [(group.name, group.start, group.grid) for group in encoder_groups(config, {"observation.images.top": (480, 640)})]
    [('latent', 0, None), ('state', 1, None), ('image_top', 2, (15, 20))]
    """
    groups = [TokenGroup(name, start, 1) for start, name in enumerate(config.plain_tokens)]
    field = backbone_field(config.backbone, dilated=config.dilated)
    for camera in config.cameras:
        height, width = sizes[camera]
        grid = (-(-height // field.stride), -(-width // field.stride))
        groups.append(
            TokenGroup(f"image_{camera_name(camera)}", groups[-1].stop, grid[0] * grid[1], camera, grid, field)
        )
    return tuple(groups)


def attention_stacks(config: ActConfig, sizes: Mapping[str, tuple[int, int]]) -> tuple[AttentionStack, ...]:
    """Returns the three attentions of an ACT: among the encoder's tokens, among actions, and from actions to tokens.

    Args:
      config: The network.
      sizes: Height and width of each camera's picture, in pixels.
    """
    tokens, actions = encoder_groups(config, sizes), (TokenGroup(ACTIONS, 0, config.chunk_size),)
    return (
        AttentionStack(ENCODER, config.encoder_layers, config.heads, tokens, tokens),
        # The decoder's queries start as zeros, so what they make of each other first is the same at every step.
        AttentionStack(DECODER, config.decoder_layers, config.heads, actions, actions, constant_layers=(0,)),
        AttentionStack(CROSS, config.decoder_layers, config.heads, actions, tokens),
    )
