"""The one-dimensional U-Net that denoises an action chunk along its horizon; 63 million parameters at the original's widths.

Reference: Chi et al., "Diffusion Policy: Visuomotor Policy Learning via Action Diffusion", 2023. https://arxiv.org/abs/2303.04137
The class names are part of the parameter tree.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


def mish(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Returns x * tanh(softplus(x)) (Misra, 2019, https://arxiv.org/abs/1908.08681)."""
    return x * jnp.tanh(nn.softplus(x))


def _time_features(time: Float[Array, "*batch 1"], features: int) -> Float[Array, "*batch features"]:
    """Returns sines, then cosines of the diffusion step at frequencies from 1 down to 1/10000."""
    half = features // 2
    frequencies = jnp.exp(-jnp.arange(half) * (math.log(10000) / (half - 1)))
    return jnp.concatenate([jnp.sin(time * frequencies), jnp.cos(time * frequencies)], axis=-1)


class Conv1dBlock(nn.Module):
    """Convolution along the horizon, group norm, mish.

    The norm's statistics run over all timesteps of the window, as in the original: a padded timestep reaches the others here.
    """

    features: int
    kernel_size: int
    n_groups: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch window horizon cin"]) -> Float[Array, "batch window horizon cout"]:
        """Returns feature maps of the same horizon (for odd kernels)."""
        x = nn.Conv(self.features, (self.kernel_size,), padding=self.kernel_size // 2)(x)
        return mish(nn.GroupNorm(self.n_groups)(x))


class ConditionalResidualBlock1D(nn.Module):
    """Two convolution blocks; between them every channel is scaled and shifted by the condition."""

    features: int
    kernel_size: int
    n_groups: int
    # Brings the residual to `features` channels by a convolution of size 1.
    residual_proj: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch window horizon cin"], condition: Float[Array, "batch window cond"]
    ) -> Float[Array, "batch window horizon cout"]:
        """Returns the block's output."""
        y = Conv1dBlock(self.features, self.kernel_size, self.n_groups)(x)
        modulation = nn.Dense(2 * self.features)(mish(condition))[..., None, :]
        scale, shift = jnp.split(modulation, 2, axis=-1)
        # Unlike FilmConditioning, a scale of 0 here silences the channel.
        y = Conv1dBlock(self.features, self.kernel_size, self.n_groups)(y * scale + shift)
        return y + (nn.Conv(self.features, (1,), padding=0)(x) if self.residual_proj else x)


class Downsample1d(nn.Module):
    """Halves the horizon."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch window horizon channel"]) -> Float[Array, "batch window half channel"]:
        """Returns every second place."""
        return nn.Conv(x.shape[-1], (3,), strides=(2,))(x)


class Upsample1d(nn.Module):
    """Doubles the horizon."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch window horizon channel"]) -> Float[Array, "batch window twice channel"]:
        """Returns two places for each."""
        return nn.ConvTranspose(x.shape[-1], (4,), strides=(2,))(x)


class ConditionalUnet1D(nn.Module):
    """Features of a noisy chunk: down to a quarter of the horizon and up again, conditioned on readout and diffusion step."""

    down_features: tuple[int, ...] = (256, 512, 1024)
    mid_layers: int = 2
    kernel_size: int = 5
    n_groups: int = 8
    time_features: int = 128

    @nn.compact
    def __call__(
        self,
        embedding: Float[Array, "batch window embed"],
        noisy_actions: Float[Array, "batch window horizon dim"],
        time: Float[Array, "batch window 1"],
    ) -> Float[Array, "batch window horizon features"]:
        """Returns `down_features[0]` features per step of the chunk.

        Args:
          embedding: The pooled readout.
          noisy_actions: Normalised chunks with noise; the horizon must halve evenly on each way down.
          time: Diffusion step 0..T-1, as float.
        """
        x = noisy_actions
        condition = jnp.concatenate([embedding, self._embed_time(time)], axis=-1)

        def two_blocks(x: Array, features: int, *, project: bool) -> Array:
            x = ConditionalResidualBlock1D(features, self.kernel_size, self.n_groups, residual_proj=project)(
                x, condition
            )
            return ConditionalResidualBlock1D(features, self.kernel_size, self.n_groups)(x, condition)

        skips = []
        for level, features in enumerate(self.down_features):
            x = two_blocks(x, features, project=True)
            skips.append(x)
            if level < len(self.down_features) - 1:
                x = Downsample1d()(x)
        for _ in range(self.mid_layers):
            x = ConditionalResidualBlock1D(self.down_features[-1], self.kernel_size, self.n_groups)(x, condition)
        # The first level's skip is not used, as in the original: the way up starts from the deepest one instead.
        for features, skip in zip(self.down_features[-2::-1], skips[:0:-1], strict=True):
            x = two_blocks(jnp.concatenate([x, skip], axis=-1), features, project=True)
            x = Upsample1d()(x)
        return Conv1dBlock(self.down_features[0], self.kernel_size, self.n_groups)(x)

    def _embed_time(self, time: Float[Array, "batch window 1"]) -> Float[Array, "batch window features"]:
        hidden = mish(nn.Dense(4 * self.time_features)(_time_features(time, self.time_features)))
        return nn.Dense(self.time_features)(hidden)
