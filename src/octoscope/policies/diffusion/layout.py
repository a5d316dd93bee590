"""What a Diffusion Policy looks at: it has no attention, but each key point is a softmax over the cells of a picture."""

import functools

import numpy as np

from octoscope.policies.act.backbone import backbone_field
from octoscope.policies.diffusion.config import DiffusionConfig
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource

STACK = "keypoints"


@functools.lru_cache(maxsize=16)
def diffusion_layout(config: DiffusionConfig) -> TokenLayout:
    """Returns the cells of each picture, the place where its key points are read off, and the state; one stack whose heads are key points.

    Key points of a camera and timestep look at that picture alone.

    >>> camera = "observation.images.top"
    >>> layout = diffusion_layout(DiffusionConfig((camera,), (96, 96), (84, 84), 2, None, 2))
    >>> [(span.group, span.timestep, span.start) for span in layout.spans][:3], layout.stack().num_heads
    ([('image_top', 0, 0), ('keypoints_top', 0, 9), ('state', 0, 10)], 32)
    """
    field = backbone_field(config.backbone)
    groups: list[tuple[str, int, TokenSource]] = []
    names = [camera_name(camera) for camera in config.cameras]
    for name in names:
        source = TokenSource("image", (f"image_{name}",), grid=config.grid, receptive_field=field)
        groups += [(f"image_{name}", config.grid[0] * config.grid[1], source)]
        groups += [(f"keypoints_{name}", 1, TokenSource("readout", (f"image_{name}",)))]
    groups.append(("state", 1, TokenSource("vector", ("state",))))
    if config.environment is not None:
        groups.append(("environment_state", 1, TokenSource("vector", ("environment_state",))))
    layout = TokenLayout.assemble([], groups, window=config.steps)
    if not names:
        return layout
    queries = tuple(f"keypoints_{name}" for name in names)
    keys = tuple(f"image_{name}" for name in names)
    rules = np.zeros((layout.size, layout.size), bool)
    for name in names:
        for step in range(config.steps):
            row = layout.select(f"keypoints_{name}", timestep=step)
            rules[np.ix_(row, layout.select(f"image_{name}", timestep=step))] = True
    rules = rules[np.ix_(layout.places(queries), layout.places(keys))]
    return layout.with_stacks([AttentionStack(STACK, 1, config.keypoints, queries, keys, Rules.of(rules))])
