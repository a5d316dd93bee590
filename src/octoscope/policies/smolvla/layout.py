"""Which tokens a SmolVLA has for some inputs, and which of them each of its attentions looks from and at.

The sequence depends on the inputs: on the number of words, and on which cameras are there.
"""

import functools

import numpy as np

from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.parts.camera_tokens import camera_source
from octoscope.policies.parts.flow import PREFIX, SUFFIX, FrameSizes
from octoscope.policies.parts.resize_pad import fit_transform
from octoscope.policies.smolvla.config import SmolVlaConfig
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource


@functools.lru_cache(maxsize=16)
def smolvla_layout(config: SmolVlaConfig, sizes: FrameSizes, words: int) -> TokenLayout:
    """Returns the prefix's tokens, then the actions, and the two attentions: within the prefix, once, and from actions in every pass.

    Args:
      config: The network.
      sizes: The policy's cameras that are there, with the height and width of their frames.
      words: Word pieces with their padding.

    >>> from octoscope.policies.smolvla.config import VlmSizes
    >>> config = SmolVlaConfig(("observation.images.top",), 6, 6, VlmSizes())
    >>> [(span.group, span.start, span.stop) for span in smolvla_layout(config, ((config.cameras[0], (480, 640)),), 8).spans]
    [('image_top', 0, 64), ('language', 64, 72), ('state', 72, 73), ('action', 73, 123)]
    """
    present = dict(sizes)
    cameras = [camera for camera in config.cameras if camera in present]
    empty = min(len(config.cameras) - len(cameras), config.empty_cameras)
    transforms = [fit_transform(present[camera], config.image_size, anchor="bottom_right") for camera in cameras]
    pictures = [
        (name := f"image_{camera_name(camera)}", camera_source(name, config.grid, transform))
        for camera, transform in zip(cameras, transforms, strict=True)
    ]
    # There is no frame to draw an empty camera's cells on.
    names = [f"image_empty_{number}" for number in range(empty)]
    pictures += [(name, TokenSource("vector", (name,))) for name in names]
    groups: list[tuple[str, int, TokenSource]] = []
    for name, source in pictures:
        around = [(f"{name}_start", 2), (f"{name}_end", 1)] if config.special_tokens else []
        groups += [(edge, size, TokenSource("vector", (edge,))) for edge, size in around[:1]]
        groups.append((name, config.grid[0] * config.grid[1], source))
        groups += [(edge, size, TokenSource("vector", (edge,))) for edge, size in around[1:]]
    groups.append(("language", words, TokenSource("language", ("language",))))
    groups.append(("state", 1, TokenSource("vector", ("state",))))
    behind = config.prefix_length - sum(size for _, size, _ in groups)
    groups += [("padding", behind, TokenSource("vector", ("padding",)))] if behind > 0 else []
    names, actions = tuple(name for name, _, _ in groups), ("action", config.chunk_size, TokenSource("readout"))
    layout = TokenLayout.assemble([*groups, actions], [], window=1)
    # Of the prefix, pictures and words see each other, the state and the padding behind it see all.
    late = layout.places(names) >= layout.select("state")[0]
    seen = np.ones((config.chunk_size, len(late)), bool), np.tri(config.chunk_size, dtype=bool)
    prefix_rules, suffix_rules = Rules.of(late[:, None] | ~late[None]), Rules.of(np.concatenate(seen, axis=1))
    heads = config.vlm.heads
    return layout.with_stacks(
        [
            # What the last layer gives is not used: actions read keys and values that were made before it.
            AttentionStack(PREFIX, config.layers, heads, names, names, prefix_rules, idle_layers=(config.layers - 1,)),
            AttentionStack(
                SUFFIX, config.layers, heads, ("action",), (*names, "action"), suffix_rules, num_passes=config.passes
            ),
        ]
    )
