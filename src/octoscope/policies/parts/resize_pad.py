"""Pictures brought to a policy's size with their ratio kept and zeros around, and where each pixel of them was recorded."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.errors import ObservationError
from octoscope.tokens.image_transform import ImageTransform

# Where the picture lies within the padding: SmolVLA pads left and above, pi0 on all sides (an odd pixel right and below).
Anchor = Literal["bottom_right", "center"]


def fit_transform(recorded_size: tuple[int, int], policy_size: tuple[int, int], *, anchor: Anchor) -> ImageTransform:
    """Returns where a frame lies on the policy's picture.

    Args:
      recorded_size: Height and width of the frame.
      policy_size: Height and width of the policy's picture.
      anchor: Where in it the frame lies.

    Raises:
      ObservationError: If nothing of the frame is left at that size.

    >>> fit_transform((480, 640), (512, 512), anchor="bottom_right").offset
    (128.0, 0.0)
    >>> fit_transform((20, 28), (28, 28), anchor="center").offset
    (4.0, 0.0)
    """
    height, width = _fitted(recorded_size, policy_size)
    above, left = policy_size[0] - height, policy_size[1] - width
    offset = (above, left) if anchor == "bottom_right" else (above // 2, left // 2)
    scale = (height / recorded_size[0], width / recorded_size[1])
    return ImageTransform(recorded_size, policy_size, scale, (float(offset[0]), float(offset[1])))


def resize_with_pad(
    image: Float[Array, "height width 3"], policy_size: tuple[int, int], *, anchor: Anchor
) -> Float[Array, "policy_height policy_width 3"]:
    """Returns the picture resized (bilinear, half-pixel centres, no antialiasing) and padded with zeros."""
    size = (image.shape[0], image.shape[1])
    transform = fit_transform(size, policy_size, anchor=anchor)
    height, width = _fitted(size, policy_size)
    if (height, width) != size:
        image = jax.image.resize(
            image, (height, width, 3), "linear", antialias=False, precision=jax.lax.Precision.HIGHEST
        )
    above, left = (int(edge) for edge in transform.offset)
    below, right = policy_size[0] - height - above, policy_size[1] - width - left
    return jnp.pad(image, ((above, below), (left, right), (0, 0)))


def _fitted(size: tuple[int, int], policy_size: tuple[int, int]) -> tuple[int, int]:
    ratio = max(size[1] / policy_size[1], size[0] / policy_size[0])
    height, width = int(size[0] / ratio), int(size[1] / ratio)
    if not height or not width:
        raise ObservationError(
            f"A frame of {size[1]} x {size[0]} pixels becomes {width} x {height} where it is fitted into {policy_size[1]} x "
            f"{policy_size[0]}: nothing of it is left. Crop it first."
        )
    return height, width
