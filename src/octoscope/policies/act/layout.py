"""Which tokens an ACT has for pictures of given sizes, and which of them each of its attentions looks from and at."""

import functools
from typing import Any

import numpy as np

from octoscope.policies.act.backbone import backbone_field
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.stacks import CROSS, DECODER, ENCODER
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource

_ACTIONS = "action"


@functools.lru_cache(maxsize=16)
def act_layout(config: ActConfig, sizes: tuple[tuple[int, int], ...]) -> TokenLayout:
    """Returns the encoder's tokens, then the actions that the decoder asks for, and the three attentions.

    Args:
      config: The network.
      sizes: Height and width of each camera's picture, in pixels, in the order of `config.cameras`.

    >>> layout = act_layout(ActConfig(("observation.images.top",), 14, None, 14), ((480, 640),))
    >>> [(span.group, span.start, span.source.grid) for span in layout.spans]
    [('latent', 0, None), ('state', 1, None), ('image_top', 2, (15, 20)), ('action', 302, None)]
    """
    groups = [(name, 1, TokenSource("vector", (name,))) for name in config.plain_tokens]
    field = backbone_field(config.backbone, dilated=config.dilated)
    for camera, (height, width) in zip(config.cameras, sizes, strict=True):
        name, grid = f"image_{camera_name(camera)}", (-(-height // field.stride), -(-width // field.stride))
        groups.append((name, grid[0] * grid[1], TokenSource("image", (name,), grid=grid, receptive_field=field)))
    actions = (_ACTIONS, config.chunk_size, TokenSource("readout", (_ACTIONS,)))
    layout = TokenLayout.assemble([*groups, actions], [], window=1)

    def stack(name: str, layers: int, queries: tuple[str, ...], keys: tuple[str, ...], **facts: Any) -> AttentionStack:
        everything = np.ones((len(layout.places(queries)), len(layout.places(keys))), bool)
        return AttentionStack(name, layers, config.heads, queries, keys, Rules.of(everything), **facts)

    tokens = tuple(name for name, _, _ in groups)
    return layout.with_stacks(
        [
            stack(ENCODER, config.encoder_layers, tokens, tokens),
            # The decoder's queries start as zeros, so what they make of each other first is the same at every step.
            stack(DECODER, config.decoder_layers, (_ACTIONS,), (_ACTIONS,), constant_layers=(0,)),
            stack(CROSS, config.decoder_layers, (_ACTIONS,), tokens),
        ]
    )
