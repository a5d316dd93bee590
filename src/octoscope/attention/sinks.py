"""Sinks: tokens that take far more than their part of the attention at every step, whatever they show.

They are marked, never deleted: their weights are real, and what a sink does is a question for an intervention. References: Darcet et
al., "Vision Transformers Need Registers", ICLR 2024, https://arxiv.org/abs/2309.16588; Xiao et al., "Efficient Streaming Language
Models with Attention Sinks", ICLR 2024, https://arxiv.org/abs/2309.17453. Neither gives a threshold for policies; ours are arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.query import QueryRow, find_query, step_blocks
from octoscope.errors import SelectionError
from octoscope.escaping.markdown import markdown_table
from octoscope.runs.run import Run
from octoscope.tokens.token_names import token_names

# Fewer tell nothing about variation over steps.
_LEAST_STEPS = 3
_TIMES_UNIFORM, _MOST_VARIATION = 5.0, 0.5


@dataclass(frozen=True)
class Sink:
    """One token that takes much of the mean attention of a layer's heads, at every step alike."""

    layer: int
    # Place in the sequence.
    key: int
    # "primary t patch (2, 3)", "task_language: ball", "readout_action t token 0".
    token: str
    # Mean weight over heads and steps, 0..1.
    share: float
    # The same in even weights: share times the number of visible tokens.
    times_uniform: float
    # Standard deviation over mean of that, over steps; 0 for one that never changes.
    variation: float
    # Length of what its value moves, against the mean over all visible tokens; None where norms were not given.
    relative_norm: float | None = None


def find_sinks(
    run: Run,
    query: str | QueryRow | None = None,
    *,
    layers: Sequence[int] | None = None,
    times_uniform: float = _TIMES_UNIFORM,
    most_variation: float = _MOST_VARIATION,
    moved_norms: Float[np.ndarray, "step layer key"] | None = None,
) -> tuple[Sink, ...]:
    """Returns the tokens that look like sinks to one query row, the largest of each layer first.

    A token is marked when its weight, the mean over heads, is on average at least `times_uniform` even weights, and varies over steps by
    at most `most_variation` of that. A token that follows the scene is no sink; nor is one that the task makes important all along, which
    this test cannot tell from a sink: words, say, are the same at every step. A small `relative_norm` speaks for a sink that does nothing.

    Args:
      run: The run; at least 3 steps, for the variation to mean anything.
      query: Whose attention; the first readout by default.
      layers: Only these; all that the run holds by default.
      times_uniform: From how many even weights on, at least 1.
      most_variation: Up to which standard deviation over mean, at least 0.
      moved_norms: Length of what each token's value moves, by step, layer (as `layers`) and key; see `value_norms`.

    Raises:
      SelectionError: If the query or a layer is not in the run, or a limit is out of range.
    """
    # Written so that NaN is refused too.
    if not (times_uniform >= 1.0 and most_variation >= 0.0):
        raise SelectionError(
            f"A sink has at least 1 even weight, varying by 0 or more; got {times_uniform:g} and {most_variation:g}."
        )
    row = find_query(run.layout, query)
    layers = run.layers if layers is None else run.check_layers(layers)
    blocks = step_blocks(run, row.group, run.steps)
    weights = np.concatenate(
        [row.weights_over(run, steps=block, layers=layers).mean(axis=2, dtype=np.float64) for block in blocks]
    )
    visible = row.visible_over(run, steps=run.steps)
    multiple = weights * visible.sum(axis=-1)[:, None, None]
    # Steps at which a token is masked (padded history) say nothing about it.
    multiple = np.where(visible[:, None], multiple, np.nan)
    names = token_names(run.layout)
    seen = visible.any(axis=0) & run.captured_keys
    count = np.maximum(1, visible.sum(axis=0))
    # Few tokens come near the limit: only these are looked at one by one.
    near = seen & (np.nansum(multiple, axis=0) / count >= 0.999 * times_uniform)
    sinks: list[Sink] = []
    for place, layer in enumerate(layers):
        candidates = [
            _sink(
                layer,
                key,
                names[key],
                weights[:, place, key],
                multiple[:, place, key],
                _relative(moved_norms, visible, place, key),
            )
            for key in np.flatnonzero(near[place]).tolist()
        ]
        marked = [
            sink for sink in candidates if sink.times_uniform >= times_uniform and sink.variation <= most_variation
        ]
        sinks += sorted(marked, key=lambda sink: -sink.times_uniform)
    return tuple(sinks)


def too_few_steps(run: Run) -> str:
    """Returns a sentence where a run has too few steps to tell sinks; else ""."""
    if len(run.steps) >= _LEAST_STEPS:
        return ""
    return f"No sinks are marked: how a token varies over steps needs {_LEAST_STEPS} steps, and there are {len(run.steps)}."


def sink_rule(run: Run, *, times_uniform: float = _TIMES_UNIFORM, most_variation: float = _MOST_VARIATION) -> str:
    """Returns a sentence: which tokens of a run are marked."""
    return (
        f"Tokens with at least {times_uniform:g} even weights on average (mean over heads and steps), whose weight varies over "
        f"{len(run.steps)} steps by at most {most_variation:g} of that. Marked, not removed."
    )


_COLUMNS = ("layer", "token", "place", "share", "times uniform", "variation over steps", "relative value norm")


def sink_table(sinks: Sequence[Sink]) -> str:
    """Returns the sinks as a Markdown table.

    >>> print(sink_table([Sink(0, 7, "primary t patch (0, 0)", 0.1, 20.0, 0.02)]))
    | layer | token | place | share | times uniform | variation over steps | relative value norm |
    |---|---|---|---|---|---|---|
    | 0 | primary t patch (0, 0) | 7 | 0.1000 | 20.0 | 0.02 | not given |
    """
    rows: list[list[str]] = []
    for sink in sinks:
        norm = "not given" if sink.relative_norm is None else f"{sink.relative_norm:.2f}"
        numbers = [f"{sink.share:.4f}", f"{sink.times_uniform:.1f}", f"{sink.variation:.2f}", norm]
        rows.append([str(sink.layer), sink.token, str(sink.key), *numbers])
    return "\n".join(markdown_table(_COLUMNS, rows))


def _sink(layer: int, key: int, token: str, weights: np.ndarray, multiple: np.ndarray, norm: float | None) -> Sink:
    told = ~np.isnan(multiple)
    mean = float(multiple[told].mean())
    variation = float(multiple[told].std() / mean) if mean > 0 else 0.0
    return Sink(layer, key, token, float(weights[told].mean()), mean, variation, norm)


def _relative(moved_norms: np.ndarray | None, visible: np.ndarray, place: int, key: int) -> float | None:
    if moved_norms is None:
        return None
    norms = moved_norms[:, place]
    return float(norms[visible[:, key], key].mean() / norms[visible].mean())
