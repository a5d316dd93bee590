"""ResNet image encoders with weight-standardised kernels, conditioned by FiLM where asked.

Reference: He et al., "Identity Mappings in Deep Residual Networks", 2016, as in the hybrid ViT (Dosovitskiy et al., 2021).
"""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float, Num

from octoscope.policies.octo.network.film_conditioning import FilmConditioning
from octoscope.policies.octo.network.stems import StdConv, normalize_images
from octoscope.tokens.receptive_field import ReceptiveField, receptive_field

_SAME_STRIDED_7, _SAME_STRIDED_3 = 2, 0  # what SAME pads at the start of an even-sized input under stride 2


class _Unit(nn.Module):
    features: int
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch row column cin"]) -> Float[Array, "batch rows columns cout"]:
        strides, out = (self.stride, self.stride), 4 * self.features
        residual = x
        if x.shape[-1] != out or self.stride != 1:
            residual = StdConv(out, (1, 1), strides, use_bias=False, name="conv_proj")(residual)
            residual = nn.GroupNorm(name="gn_proj")(residual)
        y = StdConv(self.features, (1, 1), use_bias=False, name="conv1")(x)
        y = nn.relu(nn.GroupNorm(name="gn1")(y))
        y = StdConv(self.features, (3, 3), strides, use_bias=False, name="conv2")(y)
        y = nn.relu(nn.GroupNorm(name="gn2")(y))
        y = StdConv(out, (1, 1), use_bias=False, name="conv3")(y)
        y = nn.GroupNorm(scale_init=nn.initializers.zeros, name="gn3")(y)
        return nn.relu(residual + y)


class _Stage(nn.Module):
    units: int
    features: int
    first_stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch row column cin"]) -> Float[Array, "batch rows columns cout"]:
        # A stage of no units has one all the same, as in the original.
        for j in range(max(self.units, 1)):
            x = _Unit(self.features, self.first_stride if j == 0 else 1, name=f"unit{j + 1}")(x)
        return x


class ViTResnet(nn.Module):
    """A root convolution, a pool, and stages of bottleneck units, each after the first halving the grid."""

    use_film: bool = False
    width: float | int = 1
    num_layers: Sequence[int] = ()
    img_norm_type: str = "default"

    @nn.compact
    def __call__(
        self, images: Num[Array, "batch height width channel"], cond_var: Float[Array, "batch cond"] | None = None
    ) -> Float[Array, "batch row column embed"]:
        """Returns one encoding per cell of the last feature map from images of 0..255."""
        features = int(64 * self.width)
        x = normalize_images(images, self.img_norm_type)
        x = StdConv(features, (7, 7), (2, 2), use_bias=False, name="conv_root")(x)
        x = nn.relu(nn.GroupNorm(name="gn_root")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), padding="SAME")
        for i, units in enumerate(self.num_layers):
            x = _Stage(units, features * 2**i, 1 if i == 0 else 2, name=f"block{i + 1}")(x)
            # The first stage is not conditioned, as in the original.
            if self.use_film and i > 0:
                x = FilmConditioning(name=f"FilmConditioning_{i - 1}")(x, cond_var)
        if self.use_film and not self.num_layers:
            x = FilmConditioning(name="FilmConditioning_0")(x, cond_var)
        return x

    def receptive_field(self) -> ReceptiveField:
        """Returns what one encoding sees of an image whose sides are multiples of the stride."""
        layers = [(7, 2, _SAME_STRIDED_7), (3, 2, _SAME_STRIDED_3)]
        for i, units in enumerate(self.num_layers):
            for j in range(max(units, 1)):
                layers.append((3, 2, _SAME_STRIDED_3) if i and j == 0 else (3, 1, 1))
        return receptive_field(layers)


class ResNet26FILM(ViTResnet):
    """The 26-layer ResNet with FiLM."""

    use_film: bool = True
    num_layers: Sequence[int] = (2, 2, 2, 2)
