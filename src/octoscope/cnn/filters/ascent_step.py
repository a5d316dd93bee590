"""One step uphill of activation maximisation, compiled: views, gradient, regularisers, Adam or plain ascent.

What came in as the state is taken over by the step, so that pictures are held once.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.cnn.filters.maximization_settings import MaximizationSettings
from octoscope.cnn.filters.picture_space import Fourier, Levels, Pixels
from octoscope.cnn.networks.graph import Program

# What the network sees of the pictures: larger than they are where views are padded.
Seen = Float[Array, "batch seen_height seen_width channel"]
_DECAY_FIRST, _DECAY_SECOND, _EPSILON = 0.9, 0.999, 1e-8


def first_state(params: Array) -> dict[str, Array]:
    """Returns what changes from step to step; arrays of its own, because the step takes them over."""
    return {
        "params": jnp.array(params),
        "first": jnp.zeros_like(params),
        "second": jnp.zeros_like(params),
        "count": jnp.zeros((), jnp.int32),
        "moved": jnp.zeros(len(params), bool),
    }


@functools.partial(jax.jit, static_argnames=("program", "space", "settings"), donate_argnames="state")
def uphill_step(
    program: Program,
    space: Pixels | Fourier,
    settings: MaximizationSettings,
    weights: Mapping[str, Any],
    maps: Float[Array, "batch row column channel"],
    state: dict[str, Array],
) -> dict[str, Array]:
    """Returns the state after one step uphill."""
    levels, to_params = jax.vjp(space.levels, state["params"])

    def score(levels: Levels) -> Array:
        return jnp.sum(program(weights, _views(settings, program.mean, levels, state["count"])) * maps)

    return _moved_on(space, settings, state, levels, jax.grad(score)(levels), to_params)


def uphill_step_outside(
    pull_back: Callable[[Seen], Seen],
    space: Pixels | Fourier,
    settings: MaximizationSettings,
    mean: tuple[float, ...],
    state: dict[str, Array],
) -> dict[str, Array]:
    """Does the same for a network that runs outside jax.

    Args:
      pull_back: From what the network sees to the gradient of the score by it.
      space: Of the pictures.
      settings: Of the ascent.
      mean: The network's own, for what lies outside a shifted picture.
      state: Taken over.
    """
    seen = _seen_from(space, settings, mean, state["params"], state["count"])
    return _step_from(space, settings, mean, pull_back(seen), state)


@functools.partial(jax.jit, static_argnames=("space", "settings", "mean"))
def _seen_from(
    space: Pixels | Fourier, settings: MaximizationSettings, mean: tuple[float, ...], params: Array, count: Array
) -> Seen:
    return _views(settings, mean, space.levels(params), count)


@functools.partial(jax.jit, static_argnames=("space", "settings", "mean"), donate_argnames="state")
def _step_from(
    space: Pixels | Fourier,
    settings: MaximizationSettings,
    mean: tuple[float, ...],
    uphill: Seen,
    state: dict[str, Array],
) -> dict[str, Array]:
    levels, to_params = jax.vjp(space.levels, state["params"])
    # The views are made a second time, for their way back: next to a network they cost nothing.
    _, to_levels = jax.vjp(lambda levels: _views(settings, mean, levels, state["count"]), levels)
    return _moved_on(space, settings, state, levels, to_levels(uphill)[0], to_params)


def _views(settings: MaximizationSettings, mean: tuple[float, ...], levels: Levels, count: Array) -> Seen:
    key = jax.random.fold_in(jax.random.key(settings.seed), count)
    return settings.views(levels, key, jnp.asarray(mean))


def _moved_on(
    space: Pixels | Fourier,
    settings: MaximizationSettings,
    state: dict[str, Array],
    levels: Levels,
    uphill: Levels,
    to_params: Callable[[Levels], tuple[Array]],
) -> dict[str, Array]:
    """Returns the state after a step along the gradient by the pictures."""
    moved = state["moved"] | jnp.any(uphill != 0, axis=(1, 2, 3))
    uphill = _regularized(uphill, levels, settings)
    params = state["params"]
    gradient = -to_params(uphill)[0] + settings.weight_decay * params
    count = state["count"] + 1
    first, second, change = state["first"], state["second"], gradient
    if settings.optimizer == "adam":
        first = _DECAY_FIRST * first + (1 - _DECAY_FIRST) * gradient
        second = _DECAY_SECOND * second + (1 - _DECAY_SECOND) * gradient**2
        debiased = second / (1 - _DECAY_SECOND**count)
        change = first / (1 - _DECAY_FIRST**count) / (jnp.sqrt(debiased) + _EPSILON)
    params = params - settings.learning_rate * change
    if settings.keep_in_range:
        params = space.from_levels(jnp.clip(space.levels(params), 0, 255))
    return {"params": params, "first": first, "second": second, "count": count, "moved": moved}


def _regularized(uphill: Levels, levels: Levels, settings: MaximizationSettings) -> Levels:
    """Returns the gradient, less that of the penalties, normalised and clipped as asked; per level, like the one that comes in."""
    if settings.total_variation or settings.l2:
        uphill = uphill - jax.grad(_penalty)(levels, settings)
    if settings.normalize_gradient:
        size = jnp.sqrt(jnp.mean((255 * uphill) ** 2, axis=(1, 2, 3), keepdims=True))
        uphill = uphill / jnp.maximum(size, 1e-20)
    if settings.clip_gradient:
        norm = jnp.sqrt(jnp.sum((255 * uphill) ** 2, axis=(1, 2, 3), keepdims=True))
        uphill = uphill * jnp.minimum(1, settings.clip_gradient / jnp.maximum(norm, 1e-20))
    return uphill


def _penalty(levels: Levels, settings: MaximizationSettings) -> Array:
    pictures = levels / 255
    down, across = (jnp.mean(jnp.abs(jnp.diff(pictures, axis=axis)), axis=(1, 2, 3)) for axis in (1, 2))
    far = jnp.mean((pictures - 0.5) ** 2, axis=(1, 2, 3))
    return jnp.sum(settings.total_variation * (down + across) + settings.l2 * far)


@functools.partial(jax.jit, static_argnames=("space", "sigma"), donate_argnames="params")
def blurred(space: Pixels | Fourier, params: Array, sigma: float) -> Array:
    """Returns the parameters of the same pictures under a Gaussian of `sigma` pixels."""
    return space.blurred(params, sigma)
