"""The work on filters of one layer: noise to begin from, octaves, steps, and the scores of what came out.

The loop is in Python, one compiled step at a time: inside a compiled loop XLA's convolutions take three times as long on a CPU.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.cnn.filters.ascent_step import Seen, blurred, first_state, uphill_step, uphill_step_outside
from octoscope.cnn.filters.filter_picture import FilterPicture, as_shown
from octoscope.cnn.filters.maximization_settings import MaximizationSettings
from octoscope.cnn.filters.picture_space import Fourier, Levels, Pixels
from octoscope.cnn.networks.graph import IMAGE, GraphNetwork
from octoscope.cnn.networks.network import Activation, Images, Layer, Network, find_layer
from octoscope.cnn.networks.objectives import MIDDLE, Objective, fold_affine, weight_maps


@runtime_checkable
class _HoldsCotangents(Protocol):
    """A network that pulls the same cotangents back many times for less."""

    def pull_back_of(self, layer: str, cotangents: Activation, images: Images) -> Callable[[Images], Images]:
        """Returns what pulls them back to one batch of images after another."""
        ...


# Told after each step: how many pictures moved on.
Progress = Callable[[int], None]
# Pictures, the optimiser's moments, and how far they got; see `first_state`.
State = dict[str, Array]


@dataclass(frozen=True, eq=False)
class FilterWork:
    """The work on filters of one layer: all that chunks have in common."""

    network: Network
    layer: Layer
    settings: MaximizationSettings
    size: tuple[int, int]
    start: Float[Array, "height width 3"] | None

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Gives the height and width of each octave, smallest first."""
        for octave in range(self.settings.octaves - 1, -1, -1):
            factor = self.settings.octave_scale**octave
            yield (round(self.size[0] / factor), round(self.size[1] / factor))

    def space(self, size: tuple[int, int]) -> Pixels | Fourier:
        """Returns the space that pictures of a size are optimised in."""
        if self.settings.space == "fourier":
            return Fourier(*size, decorrelated=self.settings.decorrelated)
        return Pixels(self.network.mean, self.network.std)

    def noise(self, objectives: Sequence[Objective], size: tuple[int, int]) -> Array:
        """Returns the parameters of random pictures; an objective's noise depends on itself and the seed only."""
        space, root = self.space(size), jax.random.key(self.settings.seed)
        keys = [jax.random.fold_in(root, _hash_of(objective)) for objective in objectives]
        if isinstance(space, Fourier):
            return jnp.stack([space.noise(key, self.settings.start_deviation) for key in keys])
        low, high = self.settings.start_levels
        levels = [jax.random.randint(key, (*size, 3), low, high).astype(jnp.float32) for key in keys]
        return space.from_levels(jnp.stack(levels))

    def begin(self, objectives: Sequence[Objective], size: tuple[int, int], before: Array | None) -> Array:
        """Returns the parameters that an octave starts from: the start, or what the octave before made of it, enlarged."""
        space = self.space(size)
        if self.start is None:
            return self.noise(objectives, size) if before is None else space.from_levels(resized(before, size))
        ground = jnp.broadcast_to(resized(self.start[None], size), (len(objectives), *size, 3))
        if before is not None:
            # Only what was added is enlarged: the picture's own fine detail comes back with each octave.
            smaller = resized(self.start[None], (before.shape[1], before.shape[2]))
            ground = ground + resized(before - smaller, size)
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
            step_uphill = self.stepper(objectives, size)
            state = first_state(params)
            first = space.levels(params) if first is None else first
            for step in range(settings.steps):
                if settings.snapshot_every and step % settings.snapshot_every == 0:
                    snapshots.append(as_shown(np.asarray(resized(space.levels(state["params"]), self.size))))
                state = step_uphill(state)
                if settings.blur_every and (step + 1) % settings.blur_every == 0:
                    state["params"] = blurred(space, state["params"], settings.blur_sigma)
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
            snapshots.append(as_shown(np.asarray(resized(levels, self.size))))
        start_scores, _ = self.examine(first, objectives)
        scores, largest = self.examine(levels, objectives)
        final = np.asarray(resized(levels, self.size), np.float32)
        shown_scores, _ = self.examine(jnp.asarray(as_shown(final), jnp.float32), objectives)
        return [
            FilterPicture(
                objective,
                final[index],
                float(start_scores[index]),
                float(scores[index]),
                float(shown_scores[index]),
                float(largest[index]),
                not moved[index],
                done,
                tuple(snapshot[index] for snapshot in snapshots),
            )
            for index, objective in enumerate(objectives[:count])
        ]

    def stepper(self, objectives: Sequence[Objective], size: tuple[int, int]) -> Callable[[State], State]:
        """Returns what takes the state one step uphill, on pictures of a size."""
        space, settings, network = self.space(size), self.settings, self.network
        pad = 2 * settings.views.pad
        seen = (1, size[0] + pad, size[1] + pad, 3)
        if not isinstance(network, GraphNetwork):
            maps = weight_maps(objectives, network.activation(jnp.zeros(seen), self.layer.name).shape[1:])

            pull_back = _held_at(network, self.layer.name, maps, seen)
            return lambda state: uphill_step_outside(pull_back, space, settings, network.mean, state)
        cut, image = network.forward_to(self.layer.name), jax.ShapeDtypeStruct(seen, jnp.float32)
        shape = jax.eval_shape(cut.apply, cut.parameters, image).shape[1:]
        # Cut as early as the score allows.
        program, maps = fold_affine(cut.apply, cut.parameters, weight_maps(objectives, shape), image)  # pyright: ignore[reportArgumentType]
        names = {node.name for node in program.nodes}
        weights = {name: arrays for name, arrays in cut.parameters.items() if name in names}
        return lambda state: uphill_step(program, space, settings, weights, maps, state)

    def examine(self, levels: Levels, objectives: Sequence[Objective]) -> tuple[np.ndarray, np.ndarray]:
        """Returns each picture's score, and the largest value of its channels."""
        activation = self.network.activation(levels, self.layer.name)
        maps = weight_maps(objectives, activation.shape[1:])
        scores = jnp.sum(maps * activation, axis=(1, 2, 3))
        largest = [
            np.asarray(maps_of[:, :, list(objective.channels)]).max()
            for maps_of, objective in zip(activation, objectives, strict=True)
        ]
        return np.asarray(scores), np.asarray(largest)


def _held_at(
    network: Network, layer: str, maps: Float[Array, "batch row column channel"], seen: tuple[int, ...]
) -> Callable[[Seen], Seen]:
    """Returns what pulls the same maps at a layer back to one batch of pictures after another."""
    if isinstance(network, _HoldsCotangents):
        return network.pull_back_of(layer, maps, jnp.zeros((len(maps), *seen[1:])))
    return lambda images: network.pull_back(images, layer, maps)


def resized(levels: Levels, size: tuple[int, int]) -> Float[Array, "batch new_height new_width channel"]:
    """Returns the pictures at another height and width, bilinear."""
    if levels.shape[1:3] == size:
        return levels
    return jax.image.resize(levels, (len(levels), *size, levels.shape[-1]), "bilinear")


def _hash_of(objective: Objective) -> int:
    """Returns a number for an objective that is the same in every process, unlike Python's `hash` of text."""
    parts = [*objective.channels, *(round(weight * 1e6) for weight in objective.weights), *(objective.unit or ())]
    return functools.reduce(lambda total, part: (total * 1_000_003 + part + 1) % (1 << 31), parts, 7)


def _layer_before_relu(work: FilterWork) -> str | None:
    """Returns the layer whose values below 0 are not passed on: this one, or the one before this ReLU; None for others.

    Of a PyTorch module nobody knows what feeds what, so none of its filters gets a second picture.
    """
    if not isinstance(work.network, GraphNetwork):
        return None
    if work.layer.kind == "relu":
        return next(node.inputs[0] for node in work.network.nodes if node.name == work.layer.name)
    behind = [node.step.kind for node in work.network.nodes if work.layer.name in node.inputs]
    return work.layer.name if behind == ["relu"] else None


def second_chance(work: FilterWork, picture: FilterPicture, stopped: Callable[[], bool]) -> FilterPicture:
    """Returns the picture of a filter that stayed off once more, begun from one that switches a single unit on.

    Behind a ReLU that is off everywhere in the noise, or at the one unit asked for, there is no way uphill. Only a filter that cannot be
    switched on so either is called dead.
    """
    channels, source = picture.objective.channels, _layer_before_relu(work)
    off = picture.largest <= 0 or picture.dead
    if not off or len(channels) != 1 or source is None or source == IMAGE or stopped():
        return picture
    before = replace(work, layer=find_layer(work.network, source))
    (woken,) = before.run([Objective(channels, (1.0,), picture.objective.unit or MIDDLE)], stopped, None, count=1)
    if stopped():
        return picture
    if woken.largest <= 0:
        return replace(picture, dead=True)
    if work.layer.kind != "relu":
        return replace(picture, dead=False)
    again = replace(work, start=jnp.asarray(woken.levels))
    (redrawn,) = again.run([picture.objective], stopped, None, count=1)
    # It began from what `picture` began from; the one that woke it lies on the way.
    return replace(redrawn, start_score=picture.start_score, dead=redrawn.dead and redrawn.largest <= 0)
