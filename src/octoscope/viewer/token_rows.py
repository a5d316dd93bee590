"""What one token gives to all that it looks at, or gets from all that look at it, at some steps: the numbers that the page colours.

Both ways are read as they are stored. A word of several pieces looks with the mean of their rows, and is looked at with their sum, as
everywhere in octoscope.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.errors import SelectionError
from octoscope.runs.run import Run

# Whom a token looks at, or who looks at it.
Direction = Literal["from", "to"]
# What is read of a run at once.
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class TokenRows:
    """Weights between one token, or the pieces of one word, and others, at some steps, in the layers that are kept."""

    # Places in the layout of the others: those that the run holds.
    places: Int[np.ndarray, " place"]
    # In the type that they are stored in, where one token is asked for.
    weights: Float[np.ndarray, "step layer head place"]
    # What each would be under even attention: 0 where the rules or padding hide it. For "to", even attention of the one that looks.
    even: Float[np.ndarray, "step place"]


def read_rows(run: Run, tokens: Sequence[int], direction: Direction, *, steps: Sequence[int]) -> TokenRows:
    """Returns what is stored of some tokens at some steps, which are read at once.

    Args:
      run: Seen through one stack, in one pass.
      tokens: Places in the layout: one, or the pieces of a word.
      direction: "from" them, or "to" them.
      steps: Of the episode, following each other in the run.

    Raises:
      SelectionError: If the run holds nothing of the tokens or steps.
      RunError: If what is asked for is damaged.
    """
    at = [run.index_of(step) for step in steps]
    stretch = slice(at[0], at[-1] + 1) if at else slice(0, 0)
    if at != list(range(stretch.start, stretch.stop)):
        raise SelectionError(f"Steps must follow each other in the run, got {list(steps)}.")
    visible = visible_rows(run, steps)
    if direction == "from":
        return _from_tokens(run, tokens, stretch, visible)
    return _to_tokens(run, tokens, stretch, visible)


def row_places(run: Run) -> Int[np.ndarray, " place"]:
    """Returns the tokens whose rows the run holds, in sequence order."""
    return np.sort(np.concatenate([run.selection.query_places(run.layout, group) for group in run.query_groups]))


def key_places(run: Run) -> Int[np.ndarray, " place"]:
    """Returns the tokens that the stored rows look at, in sequence order."""
    return run.selection.key_places(run.layout)


def step_stretches(run: Run) -> Iterator[tuple[int, ...]]:
    """Yields the run's steps in stretches that are read at once."""
    per = steps_at_once(run)
    for first in range(0, len(run.steps), per):
        yield run.steps[first : first + per]


def steps_at_once(run: Run, *, most: int = 16) -> int:
    """Returns how many steps make one block, by what has to be read for them."""
    heads, passes = run.num_layers * run.num_heads, len(run.selection.passes)
    rows = len(row_places(run)) * len(key_places(run)) * heads * passes * 2
    return max(1, min(most, _BLOCK_BYTES // max(1, rows)))


def visible_rows(run: Run, steps: Sequence[int]) -> Bool[np.ndarray, "step query key"]:
    """Returns who may look at whom at each step: the rules, less padding."""
    return run.rules[None] & ~run.token_pads(steps=steps)[:, None, :]


def _from_tokens(run: Run, tokens: Sequence[int], stretch: slice, visible: np.ndarray) -> TokenRows:
    places = key_places(run)
    group, rows = _group_of(run, tokens)
    stored = _of_pass(run, run.read(run.attention_name(group), stretch))[..., rows, :]
    weights = stored[..., 0, :] if len(rows) == 1 else stored.mean(axis=-2, dtype=np.float32)
    seen = visible[:, list(tokens)].any(axis=1)
    even = seen / np.maximum(1, seen.sum(axis=-1, keepdims=True))
    return TokenRows(places, weights, even[:, places].astype(np.float32))


def _to_tokens(run: Run, tokens: Sequence[int], stretch: slice, visible: np.ndarray) -> TokenRows:
    keys, known = key_places(run), set(key_places(run).tolist())
    if not known.issuperset(tokens):
        raise SelectionError(
            f"No attention to the tokens {list(tokens)} is in the run, only to {', '.join(run.key_groups)}. Capture it with --keys."
        )
    columns = np.searchsorted(keys, list(tokens))
    parts: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for group in run.query_groups:
        stored = _of_pass(run, run.read(run.attention_name(group), stretch))[..., columns]
        parts.append(stored[..., 0] if len(columns) == 1 else stored.sum(axis=-1, dtype=np.float32))
        places.append(run.selection.query_places(run.layout, group))
    order = np.argsort(np.concatenate(places), kind="stable")
    lookers = np.concatenate(places)[order]
    seen = visible[:, lookers]
    even = seen[:, :, list(tokens)].sum(axis=-1) / np.maximum(1, seen.sum(axis=-1))
    return TokenRows(lookers, np.concatenate(parts, axis=-1)[..., order], even.astype(np.float32))


def _group_of(run: Run, tokens: Sequence[int]) -> tuple[str, list[int]]:
    for group in run.query_groups:
        rows = run.selection.query_places(run.layout, group).tolist()
        if tokens and set(tokens) <= set(rows):
            return group, [rows.index(token) for token in tokens]
    size = run.layout.size
    beyond = [token for token in tokens if not 0 <= token < size]
    if not tokens or beyond:
        raise SelectionError(f"Tokens must be of 0..{size - 1}, got {list(tokens)}.")
    groups = dict.fromkeys(
        span.group for span in run.layout.spans for token in tokens if span.start <= token < span.stop
    )
    wanted = " ".join(dict.fromkeys((*run.query_groups, *groups)))
    raise SelectionError(
        f"The run holds only the rows of {', '.join(run.query_groups)} in '{run.stack.name}', not what {', '.join(groups)} looks at. "
        f"Capture it with `octoscope attend ... --queries {wanted}`."
    )


def _of_pass(run: Run, stored: Float[np.ndarray, "..."]) -> Float[np.ndarray, "step layer head query key"]:
    """Returns the weights of the pass that is looked at, from all that are stored of some steps."""
    if run.stack.num_passes == 1:
        return stored
    if run.forward_pass == "mean":
        return stored.mean(axis=1, dtype=np.float32)
    return stored[:, -1 if run.forward_pass is None else run.selection.passes.index(run.forward_pass)]
