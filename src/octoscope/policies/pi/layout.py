"""Which tokens a pi0 or pi0.5 has for some inputs, and which of them each of its attentions looks from and at."""

import functools

import numpy as np

from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.parts.camera_tokens import camera_source
from octoscope.policies.parts.flow import PREFIX, SUFFIX, FrameSizes
from octoscope.policies.parts.resize_pad import fit_transform
from octoscope.policies.pi.config import PiConfig
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource


@functools.lru_cache(maxsize=16)
def pi_layout(config: PiConfig, sizes: FrameSizes, words: int, state_words: int = 0) -> TokenLayout:
    """Returns the prefix's tokens, then the suffix's, and the two attentions: within the prefix, once, and from the suffix in every pass.

    Args:
      config: The network.
      sizes: The policy's cameras that are there, with the height and width of their frames.
      words: Word pieces; of pi0 with their padding.
      state_words: Pieces behind them in which pi0.5 is told the state, with marks and padding: how many tell it depends on the step.

    >>> config = PiConfig(("observation.images.top",), 6, 6, state_in_words=True)
    >>> [(span.group, span.start, span.stop) for span in pi_layout(config, ((config.cameras[0], (480, 640)),), 9, 191).spans]
    [('image_top', 0, 256), ('language', 256, 265), ('state', 265, 456), ('action', 456, 506)]
    """
    present = dict(sizes)
    cameras = [camera for camera in config.cameras if camera in present]
    patches = config.grid[0] * config.grid[1]
    groups: list[tuple[str, int, TokenSource]] = []
    for camera in cameras:
        name = f"image_{camera_name(camera)}"
        transform = fit_transform(present[camera], config.image_size, anchor="center")
        groups.append((name, patches, camera_source(name, config.grid, transform)))
    # A camera that is missing is a picture that nobody looks at, behind the others.
    names = [f"image_empty_{number}" for number in range(len(config.cameras) - len(cameras))]
    groups += [(name, patches, TokenSource("vector", (name,))) for name in names]
    groups += [("language", words, TokenSource("language", ("language",)))] if words else []
    groups += [("state", state_words, TokenSource("mixed", ("state",)))] if state_words else []
    prefix, suffix = tuple(name for name, _, _ in groups), []
    if not config.state_in_words:
        suffix.append(("state", 1, TokenSource("vector", ("state",))))
    suffix.append(("action", config.chunk_size, TokenSource("readout")))
    rows = tuple(name for name, _, _ in suffix)
    layout = TokenLayout.assemble([*groups, *suffix], [], window=1)
    size = len(layout.places(prefix))
    own = suffix_rules(config)
    heads, layers = config.sizes.heads, config.sizes.layers
    return layout.with_stacks(
        [
            # What the last layer gives is not used: actions read keys and values that were made before it.
            AttentionStack(
                PREFIX, layers, heads, prefix, prefix, Rules.of(np.ones((size, size), bool)), idle_layers=(layers - 1,)
            ),
            AttentionStack(
                SUFFIX,
                layers,
                heads,
                rows,
                (*prefix, *rows),
                Rules.of(np.concatenate([np.ones((len(own), size), bool), own], axis=1)),
                num_passes=config.passes,
            ),
        ]
    )


def suffix_rules(config: PiConfig) -> np.ndarray:
    """Returns who may look at whom among the suffix's tokens: all at all, but that pi0's state sees itself alone."""
    own = np.ones((config.suffix, config.suffix), bool)
    if not config.state_in_words:
        own[0, 1:] = False
    return own
