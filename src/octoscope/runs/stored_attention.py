"""Attention weights of one stack as a run stores them, put back into rows over all tokens: what the run does not hold is NaN."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.runs.half_precision import to_single
from octoscope.runs.run_arrays import RunArrays
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack

# Up to this many bytes a step, the attention of a group is read whole.
_SMALL_STEP = 8 * 2**20


@dataclass(frozen=True)
class StoredAttention:
    """Reads weights by places: of steps within the run, of layers within the policy."""

    arrays: RunArrays
    layout: TokenLayout
    stack: AttentionStack
    selection: AttentionSelection
    # As `Run.forward_pass`.
    forward_pass: int | Literal["mean"] | None

    @functools.cached_property
    def captured_keys(self) -> Bool[np.ndarray, " key"]:
        """True where the weights of a key are known: stored, or 0 because the token is no key of the stack."""
        captured = np.ones(self.layout.size, bool)
        captured[self.layout.places(self.stack.key_groups)] = False
        captured[self._key_places] = True
        return captured

    def rows(
        self, query_group: str, name: str, at: int, layers: Sequence[int], *, all_layers: bool
    ) -> Float[np.ndarray, "layer head query key"]:
        """Returns the rows of a group's tokens at the current timestep, of one step, from the array `name`.

        Args:
          query_group: The tokens that attend.
          name: The array that holds their weights.
          at: Place of the step in the run.
          layers: Of the policy, in the order wanted; NaN where the run does not hold one.
          all_layers: Whether they are all there are, and so best read at once.
        """
        stored = self.arrays.array(name)
        few = stored.nbytes // stored.shape[0] <= _SMALL_STEP
        # All layers of a step are read at once, and kept for whoever asks for the next layer; of some of a large step, a chunk each.
        whole = self.arrays.recent(name, at) if few else self.arrays.read(name, at) if all_layers else None
        whole = None if whole is None else self._in_pass(whole)
        num_rows = self.layout.find_spans(query_group, timestep=-1)[0].size
        weights = self._no_weights(len(layers), self.stack.num_heads, num_rows)
        for place, layer in enumerate(layers):
            if layer in self.selection.layers:
                index = self.selection.layers.index(layer)
                kept = self._layer(name, at, index) if whole is None else whole[index]
                # Where all timesteps are kept, the current one comes last.
                weights[place][..., self._key_places] = kept[:, -num_rows:]
            else:
                weights[place] = np.nan
        return weights

    def rows_over(
        self, query_group: str, name: str, places: Sequence[int], rows: Sequence[int], layers: Sequence[int]
    ) -> Float[np.ndarray, "step layer head query key"]:
        """Returns some rows of a group at several steps: places in the run, which are read at once where they follow each other."""
        size = self.layout.find_spans(query_group, timestep=-1)[0].size
        # Where all timesteps are kept, the current one comes last.
        rows_kept = np.arange(len(self.selection.query_places(self.layout, query_group)))[-size:][list(rows)].tolist()
        layers_kept = [self.selection.layers.index(layer) for layer in layers]
        weights = self._no_weights(len(places), len(layers), self.stack.num_heads, len(rows))
        for first, count in _stretches(places):
            stored = self.arrays.read(name, slice(places[first], places[first] + count))
            stored = self._in_pass(np.moveaxis(stored, 1, 0)) if self.stack.num_passes > 1 else stored
            stored = stored if layers_kept == list(range(stored.shape[1])) else stored[:, layers_kept]
            stored = stored if rows_kept == list(range(stored.shape[3])) else stored[:, :, :, rows_kept]
            if len(self._key_places) == self.layout.size and count == len(places):
                return to_single(stored)
            # Where all keys are kept, a plain copy is several times as fast.
            kept = slice(None) if len(self._key_places) == self.layout.size else self._key_places
            weights[first : first + count][..., kept] = to_single(stored)
        return weights

    def matrix(
        self, names: dict[str, str], at: int, layers: Sequence[int]
    ) -> Float[np.ndarray, "layer head query key"]:
        """Returns what every token gives to every token at one step, from the array of each group that looks."""
        matrix = np.full((len(layers), self.stack.num_heads, self.layout.size, self.layout.size), np.nan, np.float32)
        # Tokens that do not look in this stack look at nothing, and nobody looks at tokens that are no keys of it.
        queries = np.zeros(self.layout.size, bool)
        queries[self.layout.places(self.stack.query_groups)] = True
        nothing = ~queries[:, None] | self.captured_keys[None]
        matrix[:, :, nothing] = np.where(np.isin(layers, self.selection.layers), 0.0, np.nan)[:, None, None]
        for group, name in names.items():
            stored = self._in_pass(self.arrays.read(name, at))
            places = self.selection.query_places(self.layout, group)
            for place, layer in enumerate(layers):
                if layer in self.selection.layers:
                    index = self.selection.layers.index(layer)
                    matrix[place][:, places[:, None], self._key_places[None]] = stored[index]
        return matrix

    @functools.cached_property
    def _key_places(self) -> Int[np.ndarray, " key"]:
        return self.selection.key_places(self.layout)

    def _no_weights(self, *sizes: int) -> Float[np.ndarray, "..."]:
        """Returns rows of zeros, NaN for keys that the run does not hold."""
        weights = np.zeros((*sizes, self.layout.size), np.float32)
        weights[..., ~self.captured_keys] = np.nan
        return weights

    def _layer(self, name: str, at: int, index: int) -> Float[np.ndarray, "head query key"]:
        if self.stack.num_passes == 1:
            return self.arrays.read(name, (at, index))
        return self._in_pass(self.arrays.read(name, (at, slice(None), index)))

    def _in_pass(self, weights: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Returns the weights of the pass that is looked at, from those of one step, which begin with the pass if there are several."""
        if self.stack.num_passes == 1:
            return weights
        if self.forward_pass == "mean":
            return weights.mean(axis=0, dtype=np.float32)
        return weights[-1 if self.forward_pass is None else self.selection.passes.index(self.forward_pass)]


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yields where places begin to follow each other, and how many do.

    >>> list(_stretches([3, 4, 5, 9]))
    [(0, 3), (3, 1)]
    """
    first = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield first, at - first
            first = at
