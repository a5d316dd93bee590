"""What the tokens of a camera's padded picture were made from: which of them show a part of the recorded frame."""

import math

from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.token_source import TokenSource


def camera_source(group: str, grid: tuple[int, int], transform: ImageTransform) -> TokenSource:
    """Returns the source of a camera's tokens.

    Args:
      group: "image_top".
      grid: Rows and columns of its tokens.
      transform: Where the frame lies on the policy's picture.

    >>> transform = ImageTransform((480, 640), (512, 512), (0.8, 0.8), (128.0, 0.0))
    >>> camera_source("image_top", (8, 8), transform).scene
    (2, 0, 8, 8)
    """
    edges: list[tuple[int, int]] = []
    for axis in (0, 1):
        cell = transform.policy_size[axis] / grid[axis]
        first = transform.offset[axis]
        last = first + transform.recorded_size[axis] * transform.scale[axis]
        edges.append((math.floor(first / cell + 1e-6), min(grid[axis], math.ceil(last / cell - 1e-6))))
    (top, bottom), (left, right) = edges
    scene = (top, left, bottom, right)
    return TokenSource("image", (group,), grid=grid, scene=None if scene == (0, 0, *grid) else scene)
