"""Activation maximisation: pictures that excite filters, many at once, on any network here.

Only the picture is differentiated, and the network ends at the layer. The loop is in Python, one compiled step at a time: inside a
compiled loop XLA's convolutions take three times as long on a CPU. Reference: Erhan et al., "Visualizing Higher-Layer Features of a
Deep Network", 2009.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.array_typing import Float32, UInt8
from octoscope.cnn.graph import IMAGE, GraphNetwork, Program
from octoscope.cnn.maximization_settings import CLEAR, MaximizationSettings
from octoscope.cnn.network import Layer, find_layer
from octoscope.cnn.objectives import MIDDLE, Objective, check_objective, fold_affine, mean_of, weight_maps
from octoscope.cnn.picture_space import Fourier, Levels, Pixels
from octoscope.cnn.soft_interrupt import soft_interrupt
from octoscope.errors import SelectionError

# Told after each step: how many pictures moved on.
Progress = Callable[[int], None]
_DECAY_FIRST, _DECAY_SECOND, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, eq=False)
class FilterPicture:
    """What came of one objective."""

    objective: Objective
    # As optimised, 0..255 when nothing left the range; see `shown`.
    levels: Float32[np.ndarray, "height width 3"]
    # The objective on the first and the last picture, whole and unmoved.
    start_score: float
    score: float
    # The largest value of the objective's channels anywhere in the last picture's feature map.
    largest: float
    # No gradient reached the picture, or not even one unit could be brought above its ReLU by a picture made for that.
    dead: bool
    # Fewer than asked for after an interrupt.
    steps: int
    # Every `snapshot_every` steps, the first and the last picture included.
    snapshots: tuple[UInt8[np.ndarray, "height width 3"], ...] = ()

    @property
    def shown(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture as it can be shown: cut off at 0 and 255."""
        return as_shown(self.levels)

    @property
    def cut_off(self) -> float:
        """Share of values outside 0..255, which cannot be shown."""
        return float(((self.levels < 0) | (self.levels > 255)).mean())


def as_shown(levels: Float32[np.ndarray, "*axes"]) -> UInt8[np.ndarray, "*axes"]:
    """Returns levels rounded and cut off at 0 and 255."""
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def maximize_filters(
    network: GraphNetwork,
    layer: str,
    *,
    objectives: Sequence[Objective | int],
    settings: MaximizationSettings = CLEAR,
    size: tuple[int, int] | None = None,
    start: Float32[np.ndarray, "height width 3"] | None = None,
    progress: Progress | None = None,
) -> list[FilterPicture]:
    """Returns, for each objective, a picture that a layer answers strongly to.

    The same seed gives the same picture, whichever other filters are made beside it, up to rounding that depends on the chunk size.
    Ctrl-C ends the work after the step at hand and returns what is there: pictures begun with the steps they had, others not.

    Args:
      network: Any network here.
      layer: Name or alias of the layer.
      objectives: Filters by number (their mean over the map), or objectives.
      settings: See `MaximizationSettings`; `PRESETS` holds good ones.
      size: Height and width of the pictures; the network's own by default, or the start's.
      start: A picture of 0..255 to start from, for all objectives; noise by default.
      progress: Called after each step with the number of pictures that moved on.

    Raises:
      SelectionError: If layer, filter or a setting is out of range.

    >>> from dataclasses import replace
    >>> from octoscope.cnn.sources import open_network
    >>> quick = replace(CLEAR, steps=1)
    >>> [picture.shown.shape for picture in maximize_filters(open_network("embedded"), "conv1", objectives=[3], settings=quick)]
    [(128, 128, 3)]
    """
    settings.check()
    found = find_layer(network, layer)
    wanted = [mean_of(objective) if isinstance(objective, int) else objective for objective in objectives]
    if not wanted:
        raise SelectionError("`objectives` must name at least one filter, got none.")
    for objective in wanted:
        check_objective(objective, found)
    if size is None:
        size = network.input_size if start is None else (start.shape[0], start.shape[1])
    work = _Work(network, found, settings, size, None if start is None else jnp.asarray(start, jnp.float32))
    # Chunks of nearly one size: what fills up the last one is work for nothing.
    chunk = settings.chunk or math.ceil(len(wanted) / math.ceil(len(wanted) / _chunk_size(work)))
    pictures: list[FilterPicture] = []
    with soft_interrupt() as interrupt:
        for first in range(0, len(wanted), chunk):
            part = wanted[first : first + chunk]
            # The last chunk is filled up, so that nothing is compiled a second time.
            filled = part + part[-1:] * (min(chunk, len(wanted)) - len(part))
            made = work.run(filled, lambda: interrupt.requested, progress, count=len(part))
            pictures += [work.second_chance(picture, lambda: interrupt.requested) for picture in made]
            if interrupt.requested:
                break
    return pictures


@dataclass(frozen=True, eq=False)
class _Work:
    """All that chunks have in common."""

    network: GraphNetwork
    layer: Layer
    settings: MaximizationSettings
    size: tuple[int, int]
    start: Float[Array, "height width 3"] | None

    @functools.cached_property
    def cut(self) -> Any:
        return self.network.forward_to(self.layer.name)

    def before_relu(self) -> str | None:
        """Returns the layer whose values below 0 are not passed on: this one, or the one before this ReLU; None for others."""
        if self.layer.kind == "relu":
            return next(node.inputs[0] for node in self.network.nodes if node.name == self.layer.name)
        behind = [node.step.kind for node in self.network.nodes if self.layer.name in node.inputs]
        return self.layer.name if behind == ["relu"] else None

    def second_chance(self, picture: FilterPicture, stopped: Callable[[], bool]) -> FilterPicture:
        """Returns the picture of a filter that stayed off once more, begun from one that switches a single unit on.

        Behind a ReLU that is off everywhere in the noise there is no way uphill. Only a filter that cannot be switched on so either
        is called dead.
        """
        channels, source = picture.objective.channels, self.before_relu()
        if picture.largest > 0 or len(channels) != 1 or source is None or source == IMAGE or stopped():
            return picture
        before = replace(self, layer=find_layer(self.network, source))
        (woken,) = before.run([Objective(channels, (1.0,), MIDDLE)], stopped, None, count=1)
        if stopped():
            return picture
        if woken.largest <= 0:
            return replace(picture, dead=True)
        if self.layer.kind != "relu":
            return replace(picture, dead=False)
        again = replace(self, start=jnp.asarray(woken.levels))
        return again.run([picture.objective], stopped, None, count=1)[0]

    def sizes(self) -> Iterator[tuple[int, int]]:
        for octave in range(self.settings.octaves - 1, -1, -1):
            factor = self.settings.octave_scale**octave
            yield (round(self.size[0] / factor), round(self.size[1] / factor))

    def space(self, size: tuple[int, int]) -> Pixels | Fourier:
        if self.settings.space == "fourier":
            return Fourier(*size, decorrelated=self.settings.decorrelated)
        return Pixels(self.network.mean, self.network.std)

    def noise(self, objectives: Sequence[Objective], size: tuple[int, int]) -> Array:
        """Returns the parameters of random pictures; an objective's noise depends on itself and the seed only."""
        space, root = self.space(size), jax.random.key(self.settings.seed)
        keys = [jax.random.fold_in(root, hash_of(objective)) for objective in objectives]
        if isinstance(space, Fourier):
            return jnp.stack([space.noise(key, self.settings.start_deviation) for key in keys])
        low, high = self.settings.start_levels
        levels = [jax.random.randint(key, (*size, 3), low, high).astype(jnp.float32) for key in keys]
        return space.from_levels(jnp.stack(levels))

    def begin(self, objectives: Sequence[Objective], size: tuple[int, int], before: Array | None) -> Array:
        """Returns the parameters that an octave starts from: the start, or what the octave before made of it, enlarged."""
        space = self.space(size)
        if self.start is None:
            return self.noise(objectives, size) if before is None else space.from_levels(_resized(before, size))
        ground = jnp.broadcast_to(_resized(self.start[None], size), (len(objectives), *size, 3))
        if before is not None:
            # Only what was added is enlarged: the picture's own fine detail comes back with each octave.
            smaller = _resized(self.start[None], (before.shape[1], before.shape[2]))
            ground = ground + _resized(before - smaller, size)
        return space.from_levels(ground)

    def run(
        self, objectives: Sequence[Objective], stopped: Callable[[], bool], progress: Progress | None, *, count: int
    ) -> list[FilterPicture]:
        """Returns the pictures of one chunk; only the first `count` objectives are reported."""
        settings, done = self.settings, 0
        levels: Array | None = None
        first: Array | None = None
        moved = [False] * len(objectives)
        snapshots: list[np.ndarray] = []
        for size in self.sizes():
            space = self.space(size)
            params = self.begin(objectives, size, levels)
            program, maps = self.prepared(objectives, size)
            state = _State.of(params)
            first = space.levels(params) if first is None else first
            for step in range(settings.steps):
                if settings.snapshot_every and step % settings.snapshot_every == 0:
                    snapshots.append(as_shown(np.asarray(_resized(space.levels(state["params"]), self.size))))
                state = _step(program, space, settings, self.weights_of(program), maps, state)
                if settings.blur_every and (step + 1) % settings.blur_every == 0:
                    state["params"] = _blurred(space, state["params"], settings.blur_sigma)
                if progress is not None:
                    jax.block_until_ready(state)
                    progress(count)
                done += 1
                if stopped():
                    break
            levels, moved = (
                space.levels(state["params"]),
                [a or b for a, b in zip(moved, state["moved"].tolist(), strict=True)],
            )
            if stopped():
                break
        assert levels is not None, "there is at least one octave"
        assert first is not None, "there is at least one octave"
        if settings.snapshot_every:
            snapshots.append(as_shown(np.asarray(_resized(levels, self.size))))
        start_scores, _ = self.examine(first, objectives)
        scores, largest = self.examine(levels, objectives)
        final = np.asarray(_resized(levels, self.size), np.float32)
        return [
            FilterPicture(
                objective,
                final[index],
                float(start_scores[index]),
                float(scores[index]),
                float(largest[index]),
                not moved[index],
                done,
                tuple(snapshot[index] for snapshot in snapshots),
            )
            for index, objective in enumerate(objectives[:count])
        ]

    def prepared(self, objectives: Sequence[Objective], size: tuple[int, int]) -> tuple[Program, Array]:
        """Returns the network cut as early as the score allows, and the maps of weights over its output."""
        pad = 2 * self.settings.views.pad
        image = jax.ShapeDtypeStruct((1, size[0] + pad, size[1] + pad, 3), jnp.float32)
        shape = jax.eval_shape(self.cut.apply, self.cut.parameters, image).shape[1:]
        return fold_affine(self.cut.apply, self.cut.parameters, weight_maps(objectives, shape), image)

    def weights_of(self, program: Program) -> Mapping[str, Any]:
        names = {node.name for node in program.nodes}
        return {name: held for name, held in self.cut.parameters.items() if name in names}

    def examine(self, levels: Levels, objectives: Sequence[Objective]) -> tuple[np.ndarray, np.ndarray]:
        """Returns each picture's score, and the largest value of its channels."""
        activation = self.network.activation(levels, self.layer.name)
        maps = weight_maps(objectives, activation.shape[1:])
        scores = jnp.sum(maps * activation, axis=(1, 2, 3))
        largest = [
            np.asarray(one[:, :, list(objective.channels)]).max()
            for one, objective in zip(activation, objectives, strict=True)
        ]
        return np.asarray(scores), np.asarray(largest)


class _State:
    @staticmethod
    def of(params: Array) -> dict[str, Array]:
        """Returns what changes from step to step; arrays of its own, because the step takes them over."""
        return {
            "params": jnp.array(params),
            "first": jnp.zeros_like(params),
            "second": jnp.zeros_like(params),
            "count": jnp.zeros((), jnp.int32),
            "moved": jnp.zeros(len(params), bool),
        }


@functools.partial(jax.jit, static_argnames=("program", "space", "settings"), donate_argnames="state")
def _step(
    program: Program,
    space: Pixels | Fourier,
    settings: MaximizationSettings,
    weights: Mapping[str, Any],
    maps: Float[Array, "batch row column channel"],
    state: dict[str, Array],
) -> dict[str, Array]:
    """Returns the state after one step uphill."""
    key = jax.random.fold_in(jax.random.key(settings.seed), state["count"])
    ground = jnp.asarray(program.mean)
    levels, to_params = jax.vjp(space.levels, state["params"])

    def score(levels: Levels) -> Array:
        seen = settings.views(levels, key, ground)
        return jnp.sum(program(weights, seen) * maps)

    uphill = jax.grad(score)(levels)
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
def _blurred(space: Pixels | Fourier, params: Array, sigma: float) -> Array:
    return space.blurred(params, sigma)


def _resized(levels: Levels, size: tuple[int, int]) -> Float[Array, "batch new_height new_width channel"]:
    if levels.shape[1:3] == size:
        return levels
    return jax.image.resize(levels, (len(levels), *size, levels.shape[-1]), "bilinear")


def hash_of(objective: Objective) -> int:
    """Returns a number for an objective that is the same in every process, unlike Python's `hash` of text."""
    parts = [*objective.channels, *(round(weight * 1e6) for weight in objective.weights), *(objective.unit or ())]
    return functools.reduce(lambda total, part: (total * 1_000_003 + part + 1) % (1 << 31), parts, 7)


def _chunk_size(work: _Work) -> int:
    if jax.default_backend() != "cpu":
        return 32
    # On two cores with VGG16: early layers fill the cache with one or two pictures, late ones need eight to be busy.
    shrunk = math.prod(work.size) / max(1, math.prod(work.layer.size))
    pixels = 8 * 224**2 if shrunk >= 200 else 2 * 224**2
    return max(1, pixels // math.prod(work.size))
