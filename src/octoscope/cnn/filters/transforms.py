"""Random changes of view before each step: a picture must excite a filter from all of them, which noise does not.

All pictures of a step share them, and they depend on seed and step only: a filter's picture is the same whatever others are made
beside it.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch height width channel"]


@dataclass(frozen=True)
class Views:
    """How far pictures are moved before the network sees them; 0 leaves a step out."""

    # Pixels added on every side, of the network's mean colour.
    pad: int = 0
    # Pixels, either way along each axis; what leaves on one side comes back on the other.
    jitter: int = 0
    # Degrees, either way.
    rotate: float = 0.0
    # Share, either way: 0.1 is 0.9 to 1.1 times.
    scale: float = 0.0

    def __call__(
        self, images: Images, key: Array, ground: Float[Array, " channel"]
    ) -> Float[Array, "batch seen_height seen_width channel"]:
        """Returns the images padded, moved, scaled and turned about their middle.

        Args:
          images: Levels of 0..255.
          key: Of this step.
          ground: The colour of what lies outside.
        """
        # Outside is 0 for all that follows.
        moved = images - ground
        if self.pad:
            sides = (self.pad, self.pad)
            moved = jnp.pad(moved, ((0, 0), sides, sides, (0, 0)))
        jitter_key, scale_key, rotate_key = jax.random.split(key, 3)
        if self.jitter:
            shift = jax.random.randint(jitter_key, (2,), -self.jitter, self.jitter + 1)
            moved = jnp.roll(moved, shift, axis=(1, 2))
        if self.scale:
            factor = 1 + jax.random.uniform(scale_key, minval=-self.scale, maxval=self.scale)
            moved = _scaled(moved, factor)
        if self.rotate:
            angle = jnp.deg2rad(jax.random.uniform(rotate_key, minval=-self.rotate, maxval=self.rotate))
            moved = _rotated(moved, angle)
        return moved + ground


def _scaled(images: Images, factor: Array) -> Images:
    size = jnp.asarray(images.shape[1:3], images.dtype)
    factors = jnp.full(2, factor)
    return jax.image.scale_and_translate(
        images, images.shape, (1, 2), factors, size * (1 - factors) / 2, method="linear", antialias=False
    )


def _rotated(images: Images, angle: Array) -> Images:
    """Returns images turned by `angle` (radians, counter-clockwise as seen), bilinear."""
    height, width = images.shape[1:3]
    rows, columns = jnp.meshgrid(
        jnp.arange(height) - (height - 1) / 2, jnp.arange(width) - (width - 1) / 2, indexing="ij"
    )
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    from_row = cosine * rows + sine * columns + (height - 1) / 2
    from_column = cosine * columns - sine * rows + (width - 1) / 2
    top, left = jnp.floor(from_row), jnp.floor(from_column)
    down, right = from_row - top, from_column - left
    turned = jnp.zeros_like(images)
    for row, row_share in ((top, 1 - down), (top + 1, down)):
        for column, column_share in ((left, 1 - right), (left + 1, right)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            share = jnp.where(inside, row_share * column_share, 0)
            chosen = images[:, jnp.clip(row, 0, height - 1).astype(int), jnp.clip(column, 0, width - 1).astype(int)]
            turned = turned + chosen * share[:, :, None]
    return turned
