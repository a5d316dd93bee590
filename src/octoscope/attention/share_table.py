"""Share tables: the shares of one query row at every step, layer and head of a run, beside the shares of even attention.

A step is read once; a table of 100 steps, 12 layers and 12 heads takes 14400 numbers a share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.attention.query import QueryRow, find_query, step_blocks
from octoscope.attention.shares import NOT_CAPTURED, attention_shares
from octoscope.errors import SelectionError, nearest
from octoscope.runs.column_table import ColumnTable
from octoscope.runs.run import Run

# The names that `attention_shares` gives to what spells the instruction; end mark and padding are not among them.
WORD_SHARES = ("words", "repeated words")


@dataclass(frozen=True)
class ShareTable:
    """How much of a query row's attention each kind of key gets; over `share` everything sums to 1."""

    query: QueryRow
    steps: tuple[int, ...]
    layers: tuple[int, ...]
    # "words", "primary t", ..., in the order of the sequence; "not captured" comes last where keys are missing from the run.
    names: tuple[str, ...]
    # 0..1.
    shares: Float[np.ndarray, "step layer head share"]
    # What each kind would get if the query looked at all it may look at alike: its visible tokens over all visible tokens.
    uniform: Float[np.ndarray, "step share"]

    def of(self, name: str) -> Float[np.ndarray, "step layer head"]:
        """Returns one share.

        Raises:
          SelectionError: If there is none of that name.
        """
        if name not in self.names:
            raise SelectionError(
                f"There is no share '{name}'. There are: {', '.join(self.names)}." + nearest(name, self.names)
            )
        return self.shares[..., self.names.index(name)]

    def columns(self) -> ColumnTable:
        """Returns one line for each step, layer and head: its shares, then what even attention would give."""
        places = np.indices(self.shares.shape[:3]).reshape(3, -1)
        columns: dict[str, list[int] | list[float]] = {
            "step": np.array(self.steps)[places[0]].tolist(),
            "layer": np.array(self.layers)[places[1]].tolist(),
            "head": places[2].tolist(),
        }
        columns |= {name: self.shares[..., at].ravel().tolist() for at, name in enumerate(self.names)}
        columns |= {f"even: {name}": self.uniform[places[0], at].tolist() for at, name in enumerate(self.names)}
        return ColumnTable(columns)

    def on_words(self) -> Float[np.ndarray, "step layer head"]:
        """Returns the share on all real words, in front and repeated; padding and the end mark are none.

        Raises:
          SelectionError: If the run holds no attention to words.
        """
        return self.shares[..., self._word_places()].sum(axis=-1)

    def uniform_on_words(self) -> Float[np.ndarray, " step"]:
        """Returns what `on_words` would be under even attention.

        Raises:
          SelectionError: If the run holds no attention to words.
        """
        return self.uniform[:, self._word_places()].sum(axis=-1)

    def _word_places(self) -> list[int]:
        places = [place for place, name in enumerate(self.names) if name in WORD_SHARES]
        if not places:
            raise SelectionError(
                "The run holds no attention to words: the policy has none, or they were not captured. "
                "`octoscope layout` shows the policy's tokens; --keys says what `octoscope attend` keeps."
            )
        return places


def share_table(
    run: Run,
    query: str | QueryRow | None = None,
    *,
    steps: Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
) -> ShareTable:
    """Returns the shares of a query row at every step, layer and head.

    Args:
      run: The run.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      steps: Only these; all that the run holds by default.
      layers: Only these; all that the run holds by default.

    Raises:
      SelectionError: If the query, a step or a layer is not in the run.
    """
    row = find_query(run.layout, query)
    layers = run.layers if layers is None else run.check_layers(layers)
    steps = run.steps if steps is None else tuple(steps)
    parts = [
        shares_of_weights(run, row, block, row.weights_over(run, steps=block, layers=layers))
        for block in step_blocks(run, row.group, steps)
    ]
    names = parts[0][0] if parts else ()
    shares, uniform = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
    return ShareTable(row, tuple(steps), tuple(layers), names, shares, uniform)


def shares_of_weights(
    run: Run, row: QueryRow, steps: Sequence[int], weights: Float[np.ndarray, "step layer head key"]
) -> tuple[tuple[str, ...], Float[np.ndarray, "step layer head share"], Float[np.ndarray, "step share"]]:
    """Returns names, shares and what even attention gives, of rows that are read already.

    Args:
      run: The run.
      row: Whose attention.
      steps: Of the rows.
      weights: The rows.
    """
    # Sums of neighbours in pairs lose nothing that a stored weight holds; what is left of 1 is taken in double precision.
    table = attention_shares(run.layout, weights, stack=run.stack.name, captured=run.captured_keys)
    even = _even_shares(run, row.visible_over(run, steps=steps))
    names = tuple(table)
    shares = np.stack([table[name] for name in names], axis=-1).astype(np.float64)
    if NOT_CAPTURED in names:
        known = [at for at, name in enumerate(names) if name != NOT_CAPTURED]
        shares[..., names.index(NOT_CAPTURED)] = 1.0 - shares[..., known].sum(axis=-1)
    return names, shares, np.stack([even[name] for name in names], axis=-1)


def uniform_shares(run: Run, query: QueryRow, *, step: int) -> dict[str, float]:
    """Returns the share that each kind of key would get if the query looked at all it may look at alike.

    Kinds that are wholly masked, such as padded history, have 0; keys that the run does not hold count to "not captured".

    Args:
      run: The run.
      query: Whose attention.
      step: Step of the episode.
    """
    shares = _even_shares(run, query.visible_over(run, steps=[step]))
    return {name: float(share[0]) for name, share in shares.items()}


def _even_shares(run: Run, visible: Bool[np.ndarray, "step key"]) -> dict[str, Float[np.ndarray, " step"]]:
    even = visible / np.maximum(1, visible.sum(axis=-1, keepdims=True))
    shares = attention_shares(run.layout, np.where(run.captured_keys, even, np.nan), stack=run.stack.name)
    return {name: np.maximum(0.0, share) if name == NOT_CAPTURED else share for name, share in shares.items()}
