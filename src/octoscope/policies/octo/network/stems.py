"""Octo's convolutional image stems, with weight-standardised kernels.

Reference: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019.
https://arxiv.org/abs/1903.10520
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from octoscope.policies.octo.network.film_conditioning import FilmConditioning
from octoscope.tokens.receptive_field import ReceptiveField, receptive_field

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize_images(
    images: Num[Array, "batch height width channel"], img_norm_type: str
) -> Float[Array, "batch height width channel"]:
    """Returns 0..255 images as the network takes them: "default" gives -1..1, "imagenet" unit variance per colour.

    Raises:
      ValueError: If the norm is unknown, or "imagenet" meets a channel count that is no multiple of 3.
    """
    if img_norm_type == "default":
        return images.astype(jnp.float32) / 127.5 - 1.0
    if img_norm_type != "imagenet":
        raise ValueError(f"`img_norm_type` must be 'default' or 'imagenet', got {img_norm_type!r}.")
    channels = images.shape[-1]
    if channels % 3:
        raise ValueError(f"`img_norm_type` 'imagenet' needs a multiple of 3 channels, got {channels}.")
    mean, std = (jnp.tile(jnp.array(v), channels // 3) for v in (_IMAGENET_MEAN, _IMAGENET_STD))
    return (images.astype(jnp.float32) / 255.0 - mean) / std


class StdConv(nn.Module):
    """A convolution whose kernel has mean 0 and deviation 1 over its receptive field, per output channel."""

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str | tuple[tuple[int, int], tuple[int, int]] = "SAME"
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channel"]) -> Float[Array, "batch rows columns features"]:
        """Returns the convolved feature maps."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        x = jax.lax.conv_general_dilated(
            x, standardize_kernel(kernel), self.strides, self.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        if not self.use_bias:
            return x
        return x + self.param("bias", nn.initializers.zeros, (self.features,))


def standardize_kernel(kernel: Float[Array, "kh kw cin cout"]) -> Float[Array, "kh kw cin cout"]:
    """Returns the kernel centred and divided by its deviation plus 1e-5, per output channel."""
    centered = kernel - jnp.mean(kernel, axis=(0, 1, 2))
    return centered / (jnp.std(centered, axis=(0, 1, 2)) + 1e-5)


class SmallStem(nn.Module):
    """Strided convolutions in front of the transformer, then one projection per patch.

    Reference: Xiao et al., "Early Convolutions Help Transformers See Better", 2021. https://arxiv.org/abs/2106.14881
    """

    use_film: bool = False
    patch_size: int = 32
    kernel_sizes: Sequence[int] = (3, 3, 3, 3)
    strides: Sequence[int] = (2, 2, 2, 2)
    features: Sequence[int] = (32, 96, 192, 384)
    padding: Sequence[int] = (1, 1, 1, 1)
    num_features: int = 512
    img_norm_type: str = "default"

    @nn.compact
    def __call__(
        self, images: Num[Array, "batch height width channel"], cond_var: Float[Array, "batch cond"] | None = None
    ) -> Float[Array, "batch row column embed"]:
        """Returns one encoding per patch from images of 0..255."""
        x = normalize_images(images, self.img_norm_type)
        for features, kernel, stride, padding in self._layers():
            x = StdConv(features, (kernel, kernel), (stride, stride), ((padding, padding), (padding, padding)))(x)
            x = nn.relu(nn.GroupNorm()(x))
        embed = self.patch_size // 16
        x = nn.Conv(self.num_features, (embed, embed), (embed, embed), padding="VALID", name="embedding")(x)
        return FilmConditioning(name="FilmConditioning_0")(x, cond_var) if self.use_film else x

    def receptive_field(self) -> ReceptiveField:
        """Returns what one patch's encoding sees of the image."""
        embed = self.patch_size // 16
        layers = [(kernel, stride, padding) for _, kernel, stride, padding in self._layers()]
        return receptive_field([*layers, (embed, embed, 0)])

    def _layers(self) -> list[tuple[int, int, int, int]]:
        # The shortest list decides how many layers there are, as in the original.
        return list(zip(self.features, self.kernel_sizes, self.strides, self.padding, strict=False))


class SmallStem16(SmallStem):
    """SmallStem with 16-pixel patches."""

    patch_size: int = 16


class SmallStem32(SmallStem):
    """SmallStem with 32-pixel patches."""

    patch_size: int = 32


class PatchEncoder(nn.Module):
    """Cuts the image into patches and projects each one, as in the plain ViT."""

    use_film: bool = False
    patch_size: int = 32
    num_features: int = 512
    img_norm_type: str = "default"

    @nn.compact
    def __call__(
        self, images: Num[Array, "batch height width channel"], cond_var: Float[Array, "batch cond"] | None = None
    ) -> Float[Array, "batch row column embed"]:
        """Returns one encoding per patch from images of 0..255."""
        x = normalize_images(images, self.img_norm_type)
        size = (self.patch_size, self.patch_size)
        x = nn.Conv(self.num_features, size, size, padding="VALID", name="embedding")(x)
        return FilmConditioning(name="FilmConditioning_0")(x, cond_var) if self.use_film else x

    def receptive_field(self) -> ReceptiveField:
        """Returns what one patch's encoding sees of the image: the patch."""
        return receptive_field([(self.patch_size, self.patch_size, 0)])
