"""The central crop that Octo's gym wrappers give to images which were cropped at random in training.

Same as `ResizeImageWrapper` for its `augmented_keys`: the frame resized as in training, of that the middle with 0.9 of the area,
and that enlarged to the policy's size again. All of it on floats, rounded once.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.array_typing import UInt8
from octoscope.tokens.image_transform import ImageTransform

# Share of the resized image's area that is kept, and so of its height and width.
_AREA = 0.9
_SIDE = math.sqrt(_AREA)


def central_crop(
    image: UInt8[np.ndarray, "height width channel"], size: tuple[int, int]
) -> UInt8[np.ndarray, "policy_height policy_width channel"]:
    """Returns the middle of the image at (height, width) `size`.

    >>> central_crop(np.zeros((48, 64, 3), np.uint8), (256, 256)).shape
    (256, 256, 3)
    """
    return np.asarray(_crop(image, size))


def central_crop_transform(recorded_size: tuple[int, int], size: tuple[int, int]) -> ImageTransform:
    """Returns where the crop lies on the frame, exactly, so that maps are drawn there.

    >>> [round(edge, 2) for edge in central_crop_transform((480, 640), (256, 256)).policy_box]
    [12.32, 16.42, 467.68, 623.58]
    """
    # Sample i lies at `start + i * _SIDE` of the resized image, both counted in pixels from the centre of the first; in
    # coordinates whose pixel edges are whole numbers that is `resized - 0.5 = start + (policy - 0.5) * _SIDE`.
    starts = (_start(size[0]), _start(size[1]))
    scale = (size[0] / recorded_size[0] / _SIDE, size[1] / recorded_size[1] / _SIDE)
    offset = (0.5 - (0.5 + starts[0]) / _SIDE, 0.5 - (0.5 + starts[1]) / _SIDE)
    return ImageTransform(recorded_size, size, scale, offset)


def _start(length: int) -> float:
    return (1 - _SIDE) / 2 * (length - 1)


@functools.partial(jax.jit, static_argnames="size")
def _crop(image: jax.Array, size: tuple[int, int]) -> jax.Array:
    cropped = jax.image.resize(image.astype(jnp.float32), (*size, image.shape[-1]), "lanczos3", antialias=True)
    for axis, length in enumerate(size):
        places = _start(length) + jnp.arange(length) * _SIDE
        below = jnp.floor(places).astype(int)
        part = jnp.expand_dims(places - below, [other for other in range(3) if other != axis])
        lower, upper = jnp.take(cropped, below, axis=axis), jnp.take(cropped, below + 1, axis=axis)
        cropped = lower * (1 - part) + upper * part
    return jnp.clip(jnp.round(cropped), 0, 255).astype(jnp.uint8)
