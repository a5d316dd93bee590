"""Which tokens an ACT has for pictures of given sizes, and which of them each of its attentions looks from and at."""

from collections.abc import Mapping

from octoscope.policies.act.backbone import backbone_field
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.stacks import CROSS, DECODER, ENCODER
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.parts.token_groups import AttentionStack, TokenGroup

ACTIONS = "action"


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
