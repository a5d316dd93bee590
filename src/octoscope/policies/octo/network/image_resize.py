"""Frames resized as Octo's training data were: Lanczos with antialiasing, rounded back to 0..255.

Equals TensorFlow's `lanczos3` to one level in a few of ten thousand values; Pillow's and OpenCV's do not.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.array_typing import UInt8


@functools.partial(jax.jit, static_argnames="size")
def _resize(image: jax.Array, size: tuple[int, int]) -> jax.Array:
    shape = (*size, image.shape[-1])
    resized = jax.image.resize(image.astype(jnp.float32), shape, "lanczos3", antialias=True)
    return jnp.clip(jnp.round(resized), 0, 255).astype(jnp.uint8)


def resize_image(
    image: UInt8[np.ndarray, "height width channel"], size: tuple[int, int]
) -> UInt8[np.ndarray, "policy_height policy_width channel"]:
    """Returns the image at (height, width) `size`; the aspect ratio is not kept, as in training.

    >>> resize_image(np.zeros((48, 64, 3), np.uint8), (256, 256)).shape
    (256, 256, 3)
    """
    if image.shape[:2] == size:
        return image
    return np.asarray(_resize(image, size))
