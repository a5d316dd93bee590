"""Which tokens a forward has to compute in each layer, worked out from what is read at its end and the attention rules.

Of Octo's sequence: the prefix sees only itself, so its keys and values stay the same over an episode; observations of one timestep see
none of a later one; and of the last layer's tokens only the readout is read. All of that is read off the mask, nothing is assumed.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Int
from octoscope.tokens.layout import TokenLayout

# Places from the first to before the second.
Range = tuple[int, int]


@dataclass(frozen=True)
class RowClass:
    """Tokens in a row that may look at the same keys."""

    rows: Range
    keys: tuple[Range, ...]
    # Whether the tokens themselves go out, or their attention alone is wanted.
    goes_out: bool


@dataclass(frozen=True)
class LayerPlan:
    """What one layer computes; everything by its place in the sequence."""

    # Tokens that come in, apart from the prefix: their keys and values are needed.
    inputs: tuple[Range, ...]
    # Tokens that look, in order: those that go out, and those whose attention alone is wanted.
    classes: tuple[RowClass, ...]
    # Tokens that go out.
    outputs: tuple[Range, ...]


@dataclass(frozen=True)
class RowPlan:
    """All layers, and the prefix before them."""

    layers: tuple[LayerPlan, ...]
    # Tokens 0..prefix are the prefix.
    prefix: int
    size: int


def plan_rows(layout: TokenLayout, *, num_layers: int, read: Sequence[int], watched: Sequence[int]) -> RowPlan | None:
    """Returns what has to be computed; None where the prefix does not come first, looks beyond itself, or is to be watched.

    Args:
      layout: Of the sequence, with its rules.
      num_layers: Blocks of the transformer.
      read: Places whose encodings are read after the last layer.
      watched: Places whose attention is wanted in every layer.

    >>> from octoscope.policies.octo.attention_rules import with_octo_stack
    >>> from octoscope.tokens.token_source import TokenSource
    >>> prefix = ("task_language", 2, TokenSource("language"))
    >>> groups = [("obs_primary", 4, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
    >>> layout = with_octo_stack(TokenLayout.assemble([prefix], groups, window=2), 2, 1)
    >>> plan = plan_rows(layout, num_layers=2, read=[11], watched=[])
    >>> [layer.outputs for layer in plan.layers]  # the readout of the first timestep sees and is seen, so it is computed too
    [((2, 12),), ((11, 12),)]
    """
    rules = layout.rules()
    prefix = sum(span.size for span in layout.spans if span.timestep is None)
    wanted = sorted({*read, *watched})
    if rules[:prefix, prefix:].any() or not wanted or wanted[0] < prefix:
        return None
    layers: list[LayerPlan] = []
    outputs = _marked(layout.size, read)
    for _ in range(num_layers):
        looking = outputs | _marked(layout.size, watched)
        inputs = looking | rules[looking].any(axis=0)
        inputs[:prefix] = False
        layers.append(LayerPlan(_ranges(inputs), _classes(rules, looking, outputs), _ranges(outputs)))
        outputs = inputs
    return RowPlan(tuple(reversed(layers)), prefix, layout.size)


def places(ranges: Sequence[Range]) -> Int[np.ndarray, " token"]:
    """Returns the places of some ranges, in order."""
    return np.concatenate([np.arange(start, stop) for start, stop in ranges])


def _marked(size: int, chosen: Sequence[int]) -> Bool[np.ndarray, " token"]:
    marks = np.zeros(size, bool)
    marks[list(chosen)] = True
    return marks


def _ranges(marks: Bool[np.ndarray, " token"]) -> tuple[Range, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(int), [0]])))
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def _classes(
    rules: Bool[np.ndarray, "query key"], looking: Bool[np.ndarray, " token"], outputs: Bool[np.ndarray, " token"]
) -> tuple[RowClass, ...]:
    classes: list[RowClass] = []
    for start, stop in _ranges(looking):
        differs = (rules[start + 1 : stop] != rules[start : stop - 1]).any(axis=1)
        differs |= outputs[start + 1 : stop] != outputs[start : stop - 1]
        edges = [start, *(start + 1 + np.flatnonzero(differs)).tolist(), stop]
        classes += [
            RowClass((first, end), _ranges(rules[first]), bool(outputs[first]))
            for first, end in itertools.pairwise(edges)
        ]
    return tuple(classes)
