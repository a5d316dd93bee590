"""Whether what lies in a run is sound: every chunk readable, rows that sum to 1, masked keys that are 0, finite encodings."""

from collections.abc import Iterator, Sequence

import numpy as np

from octoscope.errors import RunError
from octoscope.runs.run import Run
from octoscope.runs.stored_arrays import stored_arrays

# What rounding leaves of a row of weights that sums to 1: measured for float16 (softmax of 690 keys), and of float32's own sums.
_TOLERANCE = {"float16": 1e-3, "float32": 1e-5}
_SHOWN = 5


def verify_run(run: Run) -> list[str]:
    """Returns what is wrong with a run, a sentence each; nothing when all is well.

    Every value of the run is read; that manifest, arrays and files go together was told when it was opened. Where all keys are kept, rows
    must sum to 1 within what the stored type rounds; of a selection of keys, to no more than 1. Keys that the rules or the padding mask
    hide must be exactly 0, but in rows that may look at nothing: those spread over all tokens alike, as in Octo itself, and in SmolVLA and
    pi0 the rows of padding do.
    """
    # What cannot be read cannot be checked further.
    unreadable = list(_unreadable(run))
    if unreadable:
        return unreadable
    stacks = [run.of_stack(stack.name) for stack in run.stacks]
    return [*(line for stack in stacks for line in _weights(stack)), *_actions(run), *_encodings(run)]


def _unreadable(run: Run) -> Iterator[str]:
    for name, array in stored_arrays(run.group):
        rows = (array.shards or array.chunks)[0] if array.ndim else 1
        for start in range(0, array.shape[0] if array.ndim else 0, rows):
            try:
                array[start : start + rows]
            except RunError as error:
                yield str(error)
            except Exception as error:  # codecs raise their own kinds
                yield f"{name}[{start}:{start + rows}] cannot be read ({type(error).__name__}: {error})"


def _weights(run: Run) -> Iterator[str]:
    rules = run.rules
    keys = run.selection.key_places(run.layout)
    arrays = dict(stored_arrays(run.group))
    found: dict[str, list[int]] = {}
    for group in run.query_groups:
        name = run.attention_name(group)
        stored = arrays[name]
        tolerance = _TOLERANCE.get(str(stored.dtype), 1e-5)
        places = run.selection.query_places(run.layout, group)
        for step in run.steps:
            visible = rules[places] & ~run.token_pad(step=step)
            # Passes of one action are so many rows more.
            weights = np.asarray(stored[run.index_of(step)], np.float64)
            pad = run.token_pad(step=step)[places]
            for problem in _row_problems(weights, visible, keys, tolerance, pad):
                found.setdefault(f"{name}: {problem}", []).append(step)
    for problem, steps in found.items():
        yield f"{problem} at step {_listed(steps)}"


def _actions(run: Run) -> Iterator[str]:
    """Yields the steps at which the policy predicted what is no number; recorded actions may be NaN, as recorded."""
    for name in (name for name in ("actions", "actions_robot") if run.holds(name)):
        values = run.read(name)
        broken = [step for at, step in enumerate(run.steps) if not np.isfinite(values[at]).all()]
        if broken:
            yield f"{name}: values that are not finite at step {_listed(broken)}"


def _listed(steps: Sequence[int]) -> str:
    more = f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else ""
    return ", ".join(map(str, steps[:_SHOWN])) + more


def _encodings(run: Run) -> Iterator[str]:
    arrays = dict(stored_arrays(run.group))
    for point in run.encoding_points:
        name = f"encodings/{point.name}"
        array = arrays[name]
        for start in range(0, array.shape[0], (array.shards or array.chunks)[0]):
            if not np.isfinite(np.asarray(array[start : start + (array.shards or array.chunks)[0]])).all():
                yield f"{name}: encodings that are not finite"
                break


def _row_problems(
    weights: np.ndarray, visible: np.ndarray, keys: np.ndarray, tolerance: float, pad: np.ndarray
) -> Iterator[str]:
    """Yields what is wrong with weights (..., query, key) of which `visible` (query, all keys) may be more than 0.

    Queries that are themselves padding (`pad`) may spread over all keys alike: some policies let them look at nothing.
    """
    if not np.isfinite(weights).all():
        yield "weights that are not finite"
        return
    if (weights < 0).any():
        yield "weights below 0"
    total = weights.sum(axis=-1)
    if not visible[:, np.setdiff1d(np.arange(visible.shape[1]), keys)].any():
        worst = float(np.abs(total - 1.0).max())
        if worst > tolerance:
            yield f"rows that do not sum to 1 (tolerance {tolerance:g})"
    elif (total > 1.0 + tolerance).any():
        yield f"rows that sum to more than 1 (tolerance {tolerance:g})"
    hidden = ~visible[:, keys] & visible.any(axis=-1, keepdims=True)
    alike = pad[:, None] & (np.ptp(weights, axis=-1, keepdims=True) == 0)
    if ((weights != 0) & hidden & ~alike).any():
        yield "masked keys that are not 0"
