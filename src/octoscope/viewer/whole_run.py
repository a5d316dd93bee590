"""What is known of one token's attention only when every step was read: where its scales end, its mean, its sinks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Float32, Int
from octoscope.attention.maps import placed_spans
from octoscope.attention.query import QueryRow
from octoscope.attention.sinks import find_sinks, too_few_steps
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.viewer.token_rows import Direction, read_rows, step_stretches


@dataclass(frozen=True)
class WholeRun:
    """One token's attention over all steps of a run, in the layers that are kept."""

    # Over all patches that show some of a scene, or over all tokens of a stack that looks at no picture: largest weight of each layer,
    # and largest multiple of even attention.
    largest: Float[np.ndarray, " layer"]
    largest_multiple: Float[np.ndarray, " layer"]
    places: Int[np.ndarray, " place"]
    # Over the steps at which a token is visible; 0 where it never is.
    mean: Float32[np.ndarray, "layer head place"]
    # (layer, place).
    sinks: tuple[tuple[int, int], ...]
    # Why there are no sinks; "" where they were looked for.
    sinks_note: str


def whole_run(run: Run, tokens: Sequence[int], direction: Direction) -> WholeRun:
    """Returns what all steps together say; arguments and errors are those of `read_rows`."""
    total, seen, largest, multiple = 0.0, 0.0, np.zeros(len(run.layers)), np.zeros(len(run.layers))
    places = np.zeros(0, np.int64)
    for steps in step_stretches(run):
        rows = read_rows(run, tokens, direction, steps=steps)
        places, visible = rows.places, rows.even > 0
        weights = np.where(visible[:, None, None], rows.weights, 0.0).astype(np.float32)
        total, seen = total + weights.sum(axis=0, dtype=np.float64), seen + visible.sum(axis=0)
        drawn = np.isin(places, drawn_places(run, places.tolist()))
        largest = np.maximum(largest, weights[..., drawn].max(axis=(0, 2, 3), initial=0.0))
        times = weights / np.where(visible, rows.even, 1.0)[:, None, None]
        multiple = np.maximum(multiple, times[..., drawn].max(axis=(0, 2, 3), initial=0.0))
    mean = np.asarray(total / np.maximum(1, seen)).astype(np.float32)
    sinks, note = _sinks(run, tokens, direction)
    return WholeRun(largest, multiple, places, mean, sinks, note)


def drawn_places(run: Run, places: Sequence[int]) -> list[int]:
    """Returns those of some tokens that a scale is made for: patches that show some of a recorded scene; all where there is none."""
    try:
        spans = [span for _, span in placed_spans(run.layout)]
    except SelectionError:
        return list(places)
    patches = [place for span in spans for place in (span.start + np.flatnonzero(span.source.shows_scene())).tolist()]
    drawn = sorted(set(patches) & set(places))
    return drawn or list(places)


def _sinks(run: Run, tokens: Sequence[int], direction: Direction) -> tuple[tuple[tuple[int, int], ...], str]:
    if direction == "to":
        return (), "Sinks are told of what a token looks at."
    if note := too_few_steps(run):
        return (), note
    query = query_row(run, tokens)
    if query is None:
        return (), "Sinks are told of tokens of the current timestep."
    return tuple((sink.layer, sink.key) for sink in find_sinks(run, query)), ""


def query_row(run: Run, tokens: Sequence[int]) -> QueryRow | None:
    """Returns tokens of one group at the current timestep as the row that tables and files speak of; None for others."""
    for group in run.query_groups:
        current = run.layout.select(group, timestep=-1).tolist()
        if tokens and set(tokens) <= set(current):
            return QueryRow(group, tuple(current.index(token) for token in tokens), group)
    return None
