"""How a picture is written down while it is optimised: as pixels, or as a Fourier spectrum in decorrelated colours.

In the spectrum every frequency moves equally fast, so no high-frequency noise grows over the picture. Reference: Olah, Mordvintsev &
Schubert, "Feature Visualization", Distill 2017. https://distill.pub/2017/feature-visualization
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Levels = Float[Array, "batch height width channel"]

# Square root of the covariance of colours in ImageNet, as published with the article, scaled to a largest column norm of 1.
_COLOUR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
_COLOUR_MIX = _COLOUR_ROOT / np.linalg.norm(_COLOUR_ROOT, axis=0).max()


@dataclass(frozen=True)
class Pixels:
    """Pixels in the network's own normalised units; nothing keeps them within 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def levels(self, params: Array) -> Levels:
        """Returns the pictures."""
        return params * jnp.asarray(self.std) + jnp.asarray(self.mean)

    def from_levels(self, levels: Levels) -> Array:
        """Returns the pictures normalised."""
        return (levels - jnp.asarray(self.mean)) / jnp.asarray(self.std)

    def blurred(self, params: Array, sigma: float) -> Array:
        """Returns the pictures blurred; beyond the edge the nearest pixel counts."""
        return gaussian_blur(params, sigma)


@dataclass(frozen=True)
class Fourier:
    """A spectrum of each decorrelated colour, (batch, rows, columns // 2 + 1, colour, 2); a sigmoid keeps 0..255."""

    height: int
    width: int
    # Turn decorrelated colours into RGB; False leaves each colour on its own.
    decorrelated: bool = True

    def levels(self, params: Array) -> Levels:
        """Returns the pictures."""
        spectrum = jax.lax.complex(params[..., 0], params[..., 1]) * self._amplitudes()[:, :, None]
        plane = jnp.fft.irfft2(spectrum, s=(self.height, self.width), axes=(1, 2)) / 4
        if self.decorrelated:
            plane = plane @ jnp.asarray(_COLOUR_MIX.T)
        return 255 * jax.nn.sigmoid(plane)

    def from_levels(self, levels: Levels) -> Array:
        """Returns the spectrum of a picture; levels nearer to black or white than 1 are taken as 1 away from it."""
        plane = jax.scipy.special.logit(jnp.clip(levels, 1, 254) / 255)
        if self.decorrelated:
            plane = plane @ jnp.asarray(np.linalg.inv(_COLOUR_MIX).T)
        spectrum = jnp.fft.rfft2(plane * 4, axes=(1, 2)) / self._amplitudes()[:, :, None]
        return jnp.stack([spectrum.real, spectrum.imag], axis=-1)

    def blurred(self, params: Array, sigma: float) -> Array:
        """Returns the spectrum times the Gaussian's transfer function; the picture wraps around at its edges."""
        transfer = jnp.exp(-2 * (jnp.pi * sigma * self._frequencies()) ** 2)
        return params * transfer[:, :, None, None]

    def noise(self, key: Array, deviation: float) -> Array:
        """Returns a random spectrum for one picture."""
        return deviation * jax.random.normal(key, (self.height, self.width // 2 + 1, 3, 2))

    def _frequencies(self) -> Float[Array, "row column"]:
        # Cycles per pixel.
        rows, columns = jnp.fft.fftfreq(self.height)[:, None], jnp.fft.rfftfreq(self.width)[None]
        return jnp.sqrt(rows**2 + columns**2)

    def _amplitudes(self) -> Float[Array, "row column"]:
        # Natural pictures have amplitudes falling as 1 / frequency; the constant term gets the lowest one's.
        lowest = 1 / max(self.height, self.width)
        return (self.height * self.width) ** 0.5 / jnp.maximum(self._frequencies(), lowest)


def gaussian_blur(
    images: Float[Array, "batch height width channel"], sigma: float
) -> Float[Array, "batch height width channel"]:
    """Returns images blurred by a Gaussian of `sigma` pixels, cut off at three of them; the edge is repeated outwards.

    >>> float(gaussian_blur(jnp.ones((1, 9, 9, 3)), 1.0).std().round(6))
    0.0
    """
    radius = max(1, int(np.ceil(3 * sigma)))
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    line = jnp.asarray(line / line.sum(), images.dtype)
    padded = jnp.pad(images, ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    rows = functools.reduce(jnp.add, (line[start] * padded[:, start : start + height] for start in range(len(line))))
    return functools.reduce(jnp.add, (line[start] * rows[:, :, start : start + width] for start in range(len(line))))
