"""The largest value of each window, as comparisons of shifted maps: XLA's own pools are slow on a processor, both ways.

The gradient goes to the first of equals, as in cuDNN and PyTorch.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array

# Pixels added before and after, along rows and columns.
Padding = tuple[tuple[int, int], tuple[int, int]]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def max_pool(maps: Array, window: int, stride: int, padding: Padding) -> Array:
    """Returns the largest value of each window of (batch, row, column, channel); what is added around never wins.

    >>> max_pool(jnp.arange(5.0).reshape(1, 1, 5, 1), 3, 2, ((1, 1), (0, 0)))[0, 0, :, 0].tolist()
    [2.0, 4.0]
    """
    edges = ((0, 0), *padding, (0, 0))
    pooled = jnp.pad(maps, edges, constant_values=-jnp.inf)
    for axis in (1, 2):
        length = pooled.shape[axis]
        last = (length - window) // stride * stride + 1
        shifted = [jax.lax.slice_in_dim(pooled, place, place + last, stride, axis) for place in range(window)]
        pooled = functools.reduce(jnp.maximum, shifted)
    return pooled


def _forward(maps: Array, window: int, stride: int, padding: Padding) -> tuple[Array, Array]:
    return max_pool(maps, window, stride, padding), maps


def _backward(window: int, stride: int, padding: Padding, maps: Array, cotangent: Array) -> tuple[Array]:
    def pooled(maps: Array) -> Array:
        size, steps = (1, window, window, 1), (1, stride, stride, 1)
        return jax.lax.reduce_window(maps, -jnp.inf, jax.lax.max, size, steps, ((0, 0), *padding, (0, 0)))

    return jax.vjp(pooled, maps)[1](cotangent)


max_pool.defvjp(_forward, _backward)


@jax.custom_vjp
def max_pool_2x2(maps: Array) -> Array:
    """Returns the largest value of each 2 x 2 cell of (batch, row, column, channel); rows and columns must be even.

    >>> float(max_pool_2x2(jnp.arange(4.0).reshape(1, 2, 2, 1))[0, 0, 0, 0])
    3.0
    """
    return jnp.maximum(*_column_pairs(jnp.maximum(*_row_pairs(maps))))


def _row_pairs(maps: Array) -> tuple[Array, Array]:
    batch, rows, columns, channels = maps.shape
    pairs = maps.reshape(batch, rows // 2, 2, columns, channels)
    return pairs[:, :, 0], pairs[:, :, 1]


def _column_pairs(maps: Array) -> tuple[Array, Array]:
    batch, rows, columns, channels = maps.shape
    pairs = maps.reshape(batch, rows, columns // 2, 2, channels)
    return pairs[:, :, :, 0], pairs[:, :, :, 1]


def _forward_2x2(maps: Array) -> tuple[Array, tuple[Array, Array]]:
    pooled = max_pool_2x2(maps)
    return pooled, (maps, pooled)


def _backward_2x2(saved: tuple[Array, Array], cotangent: Array) -> tuple[Array]:
    # XLA's own gradient of a pool (select-and-scatter) takes 1.5 times as long for a whole VGG16 on a CPU.
    maps, pooled = saved
    batch, rows, columns, channels = maps.shape
    cells = maps.reshape(batch, rows // 2, 2, columns // 2, 2, channels)
    taken = jnp.zeros(pooled.shape, bool)
    parts = []
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        largest = (cells[:, :, row, :, column] == pooled) & ~taken
        taken = taken | largest
        parts.append(jnp.where(largest, cotangent, 0))
    upper, lower = (jnp.stack(parts[start : start + 2], axis=3) for start in (0, 2))
    return (jnp.stack([upper, lower], axis=2).reshape(maps.shape),)


max_pool_2x2.defvjp(_forward_2x2, _backward_2x2)
