"""3 x 3 convolutions by Winograd's minimal filtering F(4 x 4, 3 x 3): a quarter of the multiplications, in matrix products.

Reference: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, https://arxiv.org/abs/1509.09308. Where they take the
points 0, 1, -1, 2, -2 and infinity, here it is 0, 1, -1, 2, 1/2 and infinity: with every point its inverse is one too. The gradient by the
maps is a convolution with the kernel turned by 180 degrees, and turning a kernel inverts its points, so one transformed kernel serves
both ways. Differs from direct convolution by 1e-5 of the maps' size in float32. Needs four times the kernel's memory.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import polynomial

_TILE, _TAPS = 4, 3
# Every point with its inverse; infinity comes last.
_POINTS = (0.0, 1.0, -1.0, 2.0, 0.5)
_INVERSE = (5, 1, 2, 4, 3, 0)
_COUNT = len(_INVERSE)
# Tiles and channels that are transformed at once: more leaves the processor's cache.
_CHUNK = 112 * 1024

_Transformed = Float[Array, "36 in out"]
Maps = Float[Array, "batch row column channel"]
_Convolved = Float[Array, "batch new_row new_column new_channel"]


def winograd_kernel(kernel: Float[Array, "3 3 in out"]) -> _Transformed:
    """Returns the kernel at all pairs of points, as `winograd_convolution` takes it.

    >>> winograd_kernel(jnp.ones((3, 3, 8, 16))).shape
    (36, 8, 16)
    """
    at_points = jnp.asarray(_KERNEL, kernel.dtype)
    values = jnp.einsum("ai,bj,ijck->abck", at_points, at_points, kernel, precision="highest")
    return values.reshape(_COUNT**2, *kernel.shape[2:])


def has_channels(inputs: int, outputs: int) -> bool:
    """Returns whether there are so many channels that transforming maps can cost less than it saves: measured on VGG16 and ResNet18."""
    return min(inputs, outputs) >= 64


def has_tiles(rows: int, columns: int, channels: int) -> bool:
    """Returns whether it pays for maps of this size, with so many channels in or out, whichever are more.

    With few tiles, reading the larger kernel costs more than it saves; on large maps of 64 channels, transforming the maps does.
    """
    tiles = -(-rows // _TILE) * -(-columns // _TILE)
    return tiles >= 16 and (channels >= 128 or tiles <= 256)


@jax.custom_vjp
def winograd_convolution(maps: Maps, transformed: _Transformed) -> _Convolved:
    """Returns the maps convolved with a kernel, padded with zeros to the same size.

    The gradient by the maps goes the same way; there is none by the kernel, which is fixed wherever pictures are explained.

    >>> maps, kernel = jnp.arange(64.0).reshape(1, 8, 8, 1), jnp.ones((3, 3, 1, 1))
    >>> float(jnp.round(winograd_convolution(maps, winograd_kernel(kernel))[0, 4, 4, 0], 2))  # nine times the middle
    324.0
    """
    return _convolved(maps, transformed, _MAPS, _RESULT, over=1)


def _forward(maps: Maps, transformed: _Transformed) -> tuple[_Convolved, _Transformed]:
    return winograd_convolution(maps, transformed), transformed


def _backward(transformed: _Transformed, cotangent: Maps) -> tuple[_Convolved, None]:
    return _convolved(cotangent, transformed, _MAPS_TURNED, _RESULT_TURNED, over=2), None


winograd_convolution.defvjp(_forward, _backward)


def _convolved(maps: Maps, transformed: _Transformed, into: np.ndarray, out_of: np.ndarray, *, over: int) -> _Convolved:
    """Returns the convolution; `over` is the kernel's axis that is summed over."""
    batch, rows, columns, _ = maps.shape
    down, across = -(-rows // _TILE), -(-columns // _TILE)
    edges = ((0, 0), (1, _TILE * down + 3 - rows), (1, _TILE * across + 3 - columns), (0, 0))
    padded = jnp.pad(maps, edges)
    # Several pictures at once, or strips of one: what is made in between then stays near the processor.
    row_of_tiles = across * max(transformed.shape[1:])
    pictures = max(1, min(batch, _CHUNK // (down * row_of_tiles)))
    strip = max(1, min(down, _CHUNK // row_of_tiles))
    done = [
        jnp.concatenate(
            [
                _strip(part[:, _TILE * top : _TILE * (min(top + strip, down) + 1)], transformed, into, out_of, over)
                for top in range(0, down, strip)
            ],
            axis=1,
        )
        for part in (padded[first : first + pictures] for first in range(0, batch, pictures))
    ]
    return jnp.concatenate(done)[:, :rows, :columns]


def _strip(maps: Maps, transformed: _Transformed, into: np.ndarray, out_of: np.ndarray, over: int) -> _Convolved:
    """Returns the convolution of whole tiles, without the four rows and columns that the last ones reach beyond."""
    batch, rows, columns, channels = maps.shape
    down, across = rows // _TILE - 1, columns // _TILE - 1
    kernels = transformed.reshape(_COUNT, _COUNT, *transformed.shape[1:])
    products = []
    for line, kernel in zip(_along(maps, into, axis=1), kernels, strict=True):
        values = jnp.stack(_along(line, into, axis=2)).reshape(_COUNT, batch * down * across, channels)
        products.append(jax.lax.dot_general(values, kernel, (((2,), (over,)), ((0,), (0,)))))
    outputs = products[0].shape[-1]
    lines = _combined(out_of, [product.reshape(_COUNT, batch, down, across, outputs) for product in products])
    tiles = [jnp.stack(_combined(out_of, list(line)), axis=3) for line in lines]
    return jnp.stack(tiles, axis=2).reshape(batch, down * _TILE, across * _TILE, outputs)


def _along(maps: Array, into: np.ndarray, *, axis: int) -> list[Array]:
    """Returns the six points of each tile along an axis; tiles lie four apart and are six long."""
    tiles = maps.shape[axis] // _TILE - 1
    cells = maps.reshape(*maps.shape[:axis], tiles + 1, _TILE, *maps.shape[axis + 1 :])
    here, after = (jax.lax.slice_in_dim(cells, first, first + tiles, axis=axis) for first in (0, 1))
    places = [jax.lax.index_in_dim(here, place, axis + 1, keepdims=False) for place in range(_TILE)]
    places += [jax.lax.index_in_dim(after, place, axis + 1, keepdims=False) for place in range(_TAPS - 1)]
    return _combined(into, places)


def _combined(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """Returns the matrix times the list of parts, without what is 0."""
    combined = []
    for row in matrix:
        terms = [
            part if factor == 1 else float(factor) * part for factor, part in zip(row, parts, strict=True) if factor
        ]
        combined.append(sum(terms[1:], start=terms[0]))
    return combined


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns what brings a kernel, maps and turned maps to points, and both results back (Toom and Cook's construction)."""
    others = [[other for other in _POINTS if other != point] for point in _POINTS]
    norms = np.array([np.prod([point - other for other in rest]) for point, rest in zip(_POINTS, others, strict=True)])
    kernel, result = np.zeros((_COUNT, _TAPS)), np.zeros((_TILE, _COUNT))
    kernel[:-1] = np.vander(_POINTS, _TAPS, increasing=True) / norms[:, None]
    result[:, :-1] = np.vander(_POINTS, _TILE, increasing=True).T
    kernel[-1, -1] = result[-1, -1] = 1
    maps = np.zeros((_COUNT, _COUNT))
    for index, rest in enumerate(others):
        maps[index, :-1] = polynomial.polyfromroots(rest)
    maps[-1] = polynomial.polyfromroots(_POINTS)
    # A kernel turned around has at a point what it had at the inverse point, times this factor.
    inverse = list(_INVERSE)
    factors = np.array([1 / norms[0], *(norms[inverse[1:-1]] / norms[1:] * np.square(_POINTS[1:])), norms[0]])
    return kernel, maps, (factors[:, None] * maps)[inverse], result, result[:, inverse]


_KERNEL, _MAPS, _MAPS_TURNED, _RESULT, _RESULT_TURNED = _matrices()
