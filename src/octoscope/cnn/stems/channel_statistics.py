"""What each channel of a layer does over many frames: how large it gets, which never speak, and which say the same.

Frames are taken a few at a time and only sums are kept, so memory does not grow with their number.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float, UInt8
from octoscope.cnn.networks.graph import GraphNetwork, Program
from octoscope.cnn.networks.network import Layer, find_layer
from octoscope.errors import EpisodeError

# Frames run at once.
_BATCH = 8


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """One layer's channels over a set of frames, in the layer's own units."""

    network: str
    # What every picture must say about these weights; "" for most.
    note: str
    layer: Layer
    frames: int
    # Largest value anywhere.
    largest: Float[np.ndarray, " filter"]
    # Over all units of all frames.
    mean: Float[np.ndarray, " filter"]
    deviation: Float[np.ndarray, " filter"]
    # Share of units above 0.
    active: Float[np.ndarray, " filter"]
    # Mean over frames, unit by unit: what a channel is wherever nothing is known of the frame.
    mean_map: Float[np.ndarray, "row column filter"]
    # Pearson's, over all units of all frames; NaN where a channel does not vary.
    correlation: Float[np.ndarray, "filter filter"]

    def dead(self, *, threshold: float = 0.0) -> list[int]:
        """Returns the channels that are nowhere above the threshold, in any frame.

        Behind a ReLU a threshold of 0 finds those that pass nothing on. Before one, values below 0 are none the less alive.
        """
        return np.flatnonzero(self.largest <= threshold).tolist()

    def duplicates(self, *, threshold: float = 0.95) -> dict[int, tuple[int, float]]:
        """Returns each channel that repeats another, with the channel it repeats and their correlation.

        The channels that vary most are taken first and kept; one that correlates above the threshold with a kept one repeats the one
        it is closest to. So of a group of equals one is kept, and copies of a copy are not chained together.

        Args:
          threshold: Of the correlation, below 1. Mirror images (correlation near -1) are no duplicates: a ReLU passes other parts.
        """
        originals: list[int] = []
        copies: dict[int, tuple[int, float]] = {}
        for channel in np.argsort(-self.deviation, kind="stable").tolist():
            close = np.nan_to_num(self.correlation[channel, originals], nan=-1.0)
            if originals and close.max() > threshold:
                copies[channel] = originals[int(close.argmax())], float(close.max())
            else:
                originals.append(channel)
        return dict(sorted(copies.items()))

    @property
    def effective(self) -> float:
        """How many independent channels would spread as evenly: the participation ratio of the correlation's eigenvalues.

        Between 1 (all the same) and the number of channels that vary (none alike). Units do not matter, as each channel counts once.
        """
        varies = ~np.isnan(np.diag(self.correlation))
        values = np.linalg.eigvalsh(self.correlation[np.ix_(varies, varies)]) if varies.any() else np.zeros(1)
        return float(values.sum() ** 2 / max((values**2).sum(), 1e-12))


def channel_statistics(
    network: GraphNetwork, frames: Iterable[UInt8[np.ndarray, "height width 3"]], layers: Sequence[str]
) -> dict[str, ChannelStatistics]:
    """Returns the statistics of several layers' channels, all from one forward of each frame.

    Args:
      network: A network of named steps, such as `policy_network` gives.
      frames: RGB, 0..255, all of one size: a camera's frames of a whole episode set.
      layers: Names or aliases.

    Raises:
      SelectionError: If there is no such layer.
      EpisodeError: If there is no frame.

    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    >>> result = channel_statistics(load_embedded_network(), frames, ["relu1"])["relu1"]
    >>> result.frames, result.correlation.shape, len(result.dead(threshold=1e9))
    (3, (24, 24), 24)
    """
    places = [find_layer(network, name) for name in layers]
    sums = {layer.name: _Sums() for layer in places}
    program, batch = network.program, []
    for frame in frames:
        batch.append(frame)
        if len(batch) == _BATCH:
            _add(program, network, batch, sums)
            batch = []
    if batch:
        _add(program, network, batch, sums)
    if not next(iter(sums.values())).frames:
        raise EpisodeError("There is no frame to take statistics over. Give an episode with this camera's frames.")
    return {layer.name: sums[layer.name].statistics(network, layer) for layer in places}


class _Sums:
    """Running sums over frames, merged as by Chan, Golub & LeVeque (1979), so that nothing cancels."""

    def __init__(self) -> None:
        self.frames = 0

    def add(self, maps: Float[np.ndarray, "batch row column filter"]) -> None:
        flat = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
        count, mean = len(flat), flat.mean(axis=0)
        scatter = (flat - mean).T @ (flat - mean)
        if self.frames == 0:
            self.count, self.mean, self.scatter = count, mean, scatter
            self.largest, self.above = flat.max(axis=0), (flat > 0).sum(axis=0)
            self.map_sum = maps.sum(axis=0, dtype=np.float64)
        else:
            both, apart = self.count + count, mean - self.mean
            self.scatter = self.scatter + scatter + np.outer(apart, apart) * (self.count * count / both)
            self.mean, self.count = self.mean + apart * (count / both), both
            self.largest, self.above = np.maximum(self.largest, flat.max(axis=0)), self.above + (flat > 0).sum(axis=0)
            self.map_sum = self.map_sum + maps.sum(axis=0, dtype=np.float64)
        self.frames += len(maps)

    def statistics(self, network: GraphNetwork, layer: Layer) -> ChannelStatistics:
        deviation = np.sqrt(np.diag(self.scatter) / self.count)
        # What differs by rounding alone does not vary.
        still = deviation <= 1e-6 * np.maximum(np.abs(self.mean), 1e-6)
        lengths = np.where(still, np.nan, deviation)
        correlation = self.scatter / self.count / np.outer(lengths, lengths)
        return ChannelStatistics(
            network.name,
            network.note,
            layer,
            self.frames,
            largest=self.largest,
            mean=self.mean,
            deviation=deviation,
            active=self.above / self.count,
            mean_map=self.map_sum / self.frames,
            correlation=np.clip(correlation, -1.0, 1.0),
        )


def _add(program: Program, network: GraphNetwork, batch: list[np.ndarray], sums: Mapping[str, _Sums]) -> None:
    # The last few frames are filled up, so that one compiled program serves all.
    filled = np.stack([*batch, *[batch[-1]] * (_BATCH - len(batch))])
    outputs = _maps(program, tuple(sums), network.weights, jnp.asarray(filled, jnp.float32))
    for name, maps in outputs.items():
        sums[name].add(np.asarray(maps)[: len(batch)])


@functools.partial(jax.jit, static_argnames=("program", "names"))
def _maps(program: Program, names: tuple[str, ...], weights: Mapping[str, Mapping[str, Array]], images: Array):
    outputs = program.outputs(weights, images)
    return {name: outputs[name] for name in names}
