"""torchvision's ResNets with frozen batch norms, the part of them that ACT uses: from a picture to the maps of the last stage.

Reference: He et al., "Deep Residual Learning for Image Recognition", 2016. https://arxiv.org/abs/1512.03385
A bottleneck's stride is in its 3x3 convolution, as torchvision has it (ResNet v1.5).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.policies.act.config import backbone_sizes
from octoscope.tokens.receptive_field import ReceptiveField, receptive_field

_EXPANSION = 4
# torchvision's FrozenBatchNorm2d.
_EPSILON = 1e-5


@dataclass(frozen=True)
class Conv:
    """One convolution with the frozen norm behind it, by their names."""

    name: str
    norm: str
    into: int
    out: int
    kernel: int
    stride: int = 1
    dilation: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return self.dilation * (self.kernel // 2)


@dataclass(frozen=True)
class Block:
    """One residual block: convolutions with a ReLU between them, and the one on the shortcut where sizes change."""

    convs: tuple[Conv, ...]
    shortcut: Conv | None


def stem_conv(backbone: str) -> Conv:
    """Returns the convolution before the first stage."""
    return Conv("conv1", "bn1", 3, backbone_sizes(backbone).width, 7, stride=2)


def stages(backbone: str, *, dilated: bool = False) -> tuple[tuple[Block, ...], ...]:
    """Returns the blocks of the four stages.

    Args:
      backbone: Its name.
      dilated: Whether the last stage keeps its size. Its first block then keeps kernels as they are, the others spread them by 2.
    """
    sizes = backbone_sizes(backbone)
    expansion, into, result = _EXPANSION if sizes.bottleneck else 1, sizes.width, []
    for stage, count in enumerate(sizes.blocks, start=1):
        width = sizes.width * 2 ** (stage - 1)
        keeps_size = stage == 1 or (stage == 4 and dilated)
        blocks = []
        for number in range(count):
            stride = 2 if number == 0 and not keeps_size else 1
            dilation = 2 if number > 0 and stage == 4 and dilated else 1
            name, out = f"layer{stage}.{number}", width * expansion
            convs = _bottleneck if sizes.bottleneck else _basic
            changes = number == 0 and (stride != 1 or into != out)
            shortcut = Conv(f"{name}.downsample.0", f"{name}.downsample.1", into, out, 1, stride) if changes else None
            blocks.append(Block(tuple(convs(name, into, width, stride, dilation)), shortcut))
            into = out
        result.append(tuple(blocks))
    return tuple(result)


def _basic(name: str, into: int, width: int, stride: int, dilation: int) -> Iterator[Conv]:
    # torchvision builds no dilated basic block; this is the same rule carried over, its stride and spread in the 3x3 kernels.
    yield Conv(f"{name}.conv1", f"{name}.bn1", into, width, 3, stride, dilation)
    yield Conv(f"{name}.conv2", f"{name}.bn2", width, width, 3, 1, dilation)


def _bottleneck(name: str, into: int, width: int, stride: int, dilation: int) -> Iterator[Conv]:
    yield Conv(f"{name}.conv1", f"{name}.bn1", into, width, 1)
    yield Conv(f"{name}.conv2", f"{name}.bn2", width, width, 3, stride, dilation)
    yield Conv(f"{name}.conv3", f"{name}.bn3", width, width * _EXPANSION, 1)


def backbone_width(backbone: str) -> int:
    """Returns the channels of the last stage."""
    sizes = backbone_sizes(backbone)
    return sizes.width * 2 ** (len(sizes.blocks) - 1) * (_EXPANSION if sizes.bottleneck else 1)


def backbone_shapes(backbone: str) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter as PyTorch stores it, by torchvision's name."""
    shapes: dict[str, tuple[int, ...]] = {}
    blocks = [block for stage in stages(backbone) for block in stage]
    shortcuts = [block.shortcut for block in blocks if block.shortcut is not None]
    for conv in (stem_conv(backbone), *(conv for block in blocks for conv in block.convs), *shortcuts):
        shapes[f"{conv.name}.weight"] = (conv.out, conv.into, conv.kernel, conv.kernel)
        shapes |= {f"{conv.norm}.{part}": (conv.out,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def backbone_field(backbone: str, *, dilated: bool = False) -> ReceptiveField:
    """Returns what one cell of the last stage sees of the picture: far more than the cell.

    >>> backbone_field("resnet18")
    ReceptiveField(size=435, stride=32, first_center=0.0, column_stride=None)
    >>> backbone_field("resnet50", dilated=True).stride
    16
    """
    stem = stem_conv(backbone)
    blocks = [block for stage in stages(backbone, dilated=dilated) for block in stage]
    convs = [conv for block in blocks for conv in block.convs]
    reach = [(conv.dilation * (conv.kernel - 1) + 1, conv.stride, conv.padding) for conv in convs]
    return receptive_field([(stem.kernel, stem.stride, stem.padding), (3, 2, 1), *reach])


def backbone_maps(
    params: Mapping[str, Any], images: Float[Array, "batch height width 3"], *, backbone: str, dilated: bool = False
) -> dict[str, Array]:
    """Returns the maps (batch, row, column, channel) behind the stem and each stage, by torchvision's names; ACT takes "layer4".

    Args:
      params: The backbone's parameters, nested by torchvision's names; kernels as (height, width, in, out).
      images: Normalised pictures of one size.
      backbone: Its name.
      dilated: Whether the last stage keeps its size.
    """
    maps = jax.nn.relu(_conv(params, stem_conv(backbone), images))
    maps = jax.lax.reduce_window(
        maps, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    )
    result = {"maxpool": maps}
    for number, blocks in enumerate(stages(backbone, dilated=dilated), start=1):
        for block in blocks:
            maps = _block(params, block, maps)
        result[f"layer{number}"] = maps
    return result


def _block(
    params: Mapping[str, Any], block: Block, maps: Float[Array, "batch row column channel"]
) -> Float[Array, "batch _ _ filter"]:
    shortcut = maps if block.shortcut is None else _conv(params, block.shortcut, maps)
    *inner, last = block.convs
    for conv in inner:
        maps = jax.nn.relu(_conv(params, conv, maps))
    return jax.nn.relu(shortcut + _conv(params, last, maps))


def _conv(
    params: Mapping[str, Any], conv: Conv, maps: Float[Array, "batch row column channel"]
) -> Float[Array, "batch _ _ filter"]:
    kernel, norm = _at(params, conv.name)["weight"], _at(params, conv.norm)
    side = (conv.padding, conv.padding)
    maps = jax.lax.conv_general_dilated(
        maps,
        kernel,
        (conv.stride, conv.stride),
        (side, side),
        rhs_dilation=(conv.dilation, conv.dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    if "running_mean" not in norm:
        return _group_norm(norm, maps)
    gain = norm["weight"] * jax.lax.rsqrt(norm["running_var"] + _EPSILON)
    return maps * gain + (norm["bias"] - norm["running_mean"] * gain)


def _group_norm(
    params: Mapping[str, Any], maps: Float[Array, "batch row column channel"]
) -> Float[Array, "batch row column channel"]:
    """Returns maps normalised in groups of 16 channels, which Diffusion Policy puts in the place of batch norms."""
    grouped = maps.reshape(*maps.shape[:-1], -1, 16)
    centered = grouped - grouped.mean((1, 2, 4), keepdims=True)
    variance = jnp.square(centered).mean((1, 2, 4), keepdims=True)
    normed = (centered * jax.lax.rsqrt(variance + _EPSILON)).reshape(maps.shape)
    return normed * params["weight"] + params["bias"]


def _at(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for part in name.split("."):
        params = params[part]
    return params
