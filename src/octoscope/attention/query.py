"""Which query row a picture shows: a readout token, a token by its place, a word of the instruction, or the mean of a group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.errors import SelectionError, nearest
from octoscope.runs.run import Run
from octoscope.tokens.layout import HasLayout, TokenLayout, TokenSpan, layout_of
from octoscope.tokens.words import words_of_pieces

_BLOCK_BYTES = 64 * 2**20
_MEAN = "mean"


@dataclass(frozen=True)
class QueryRow:
    """Tokens of one group at the current timestep; the rows of several, a word's pieces or a whole group, are averaged."""

    group: str
    positions: tuple[int, ...]
    # For titles: "readout_action", "readout_action token 1 of 0..2", "word 'carrot'".
    label: str

    def weights(
        self, run: Run, *, step: int, layers: Sequence[int] | None = None
    ) -> Float[np.ndarray, "layer head key"]:
        """Returns the row's attention at one step, each (layer, head) summing to 1; NaN for what the run does not hold.

        Args:
          run: The run.
          step: Step of the episode.
          layers: Only these, in this order; every layer of the policy by default.
        """
        return run.attention(self.group, step=step, layers=layers)[:, :, list(self.positions)].mean(axis=2)

    def weights_over(
        self, run: Run, *, steps: Sequence[int], layers: Sequence[int]
    ) -> Float[np.ndarray, "step layer head key"]:
        """Returns what `weights` does, at several steps read at once.

        Args:
          run: The run.
          steps: Of the episode.
          layers: Only these, in this order.
        """
        weights = run.attention_over(self.group, steps=steps, rows=self.positions, layers=layers)
        return weights[:, :, :, 0] if len(self.positions) == 1 else weights.mean(axis=3)

    def visible_over(self, run: Run, *, steps: Sequence[int]) -> Bool[np.ndarray, "step key"]:
        """Returns which keys the row, or any of several, may look at, at each step: allowed by the rules, and not padding."""
        allowed = self.allowed(run.layout, run.stack.name)
        return allowed & ~run.token_pads(steps=steps)

    def allowed(self, layout: TokenLayout, stack: str | None = None) -> Bool[np.ndarray, " key"]:
        """Returns which keys the rules of a stack let the row, or any of several, look at."""
        rows = layout.select(self.group, timestep=-1)[list(self.positions)]
        return np.asarray(layout.rules(stack)[rows].any(axis=0))


def find_query(layout: TokenLayout | HasLayout, query: str | QueryRow | None = None) -> QueryRow:
    """Returns the row that a query names, at the current timestep.

    Args:
      layout: The token layout, or a run.
      query: A group ("readout_action": its first token), a token of it ("readout_action:2"), the mean of its tokens ("action:mean"), a
        word ("word:carrot"), or a row found before; by default the first readout, or the last group of a policy that has none.

    Raises:
      SelectionError: If there is no such group, token or word.
    """
    layout = layout_of(layout)
    if isinstance(query, QueryRow):
        return query
    group, _, detail = (query or _default_group(layout)).partition(":")
    if group == "word":
        return _find_word(layout, detail)
    size = layout.find_spans(group, timestep=-1)[0].size
    if detail == _MEAN:
        real = _real_positions(layout, group)
        return QueryRow(group, real, f"{group}, mean of {len(real)} tokens")
    if detail and not (detail.isdecimal() and int(detail) < size):
        raise SelectionError(
            f"'{group}' has tokens 0..{size - 1}, got '{detail}'. All of them together are '{group}:{_MEAN}'."
        )
    position = int(detail or 0)
    pad = ", padding" if position not in _real_positions(layout, group) else ""
    return QueryRow(group, (position,), group if size == 1 else f"{group} token {position} of 0..{size - 1}{pad}")


def missing_rows(run: Run, groups: Sequence[str]) -> str:
    """Returns why a run holds no rows of groups, and how to capture them where the stack that is looked at has such rows."""
    named, stack = ", ".join(groups), run.stack
    if set(groups) <= set(stack.query_groups):
        return (
            f"the run holds no rows of {named}. Capture them with --queries {' '.join([*run.query_groups, *groups])}."
        )
    others = [each.name for each in run.layout.stacks if set(groups) & set(each.query_groups)]
    where = f"they look in {', '.join(others)}" if others else "they look at nothing"
    return f"{named} have no rows in '{stack.name}', the stack that is shown: {where}."


def step_blocks(run: Run, query_group: str, steps: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yields the steps in blocks whose attention of a group fits into memory several times over."""
    rows = len(run.selection.query_places(run.layout, query_group)) * len(run.selection.passes)
    of_step = run.num_layers * run.num_heads * rows * run.layout.size * np.dtype(np.float32).itemsize
    count = max(1, _BLOCK_BYTES // of_step)
    for start in range(0, len(steps), count):
        yield steps[start : start + count]


def _real_positions(layout: TokenLayout, group: str) -> tuple[int, ...]:
    """Returns the tokens of a group but for padding, whose rows stand for nothing."""
    span = layout.find_spans(group, timestep=-1)[0]
    pieces = layout.pieces_of(span)
    return tuple(at for at in range(span.size) if pieces is None or pieces[at].kind != "padding")


def _default_group(layout: TokenLayout) -> str:
    readouts = [span.group for span in layout.spans if span.source.kind == "readout"]
    return readouts[0] if readouts else layout.groups[-1]


def sighted_words(layout: TokenLayout) -> TokenSpan | None:
    """Returns the words that can see images: the copy of the instruction at the current timestep, or words in front beside pictures."""
    spans = [span for span in layout.spans if span.source.kind == "language"]
    repeated = [span for span in spans if span.source.repeats is not None]
    return repeated[-1] if repeated else next((span for span in spans if _sees_images(layout, span)), None)


def _sees_images(layout: TokenLayout, words: TokenSpan) -> bool:
    stacks = [stack.name for stack in layout.stacks if words.group in stack.query_groups]
    images = [place for span in layout.spans if span.source.kind == "image" for place in range(span.start, span.stop)]
    return any(layout.rules(name)[words.start, images].any() for name in stacks)


def _find_word(layout: TokenLayout, word: str) -> QueryRow:
    span = sighted_words(layout)
    if span is not None and layout.pieces_of(span) is None:
        raise SelectionError(
            "No token of this policy is a word: it reads the instruction as encodings, not as word pieces."
        )
    if span is None:
        raise SelectionError(
            "No word of this policy can see an image: it does not repeat the instruction at each timestep "
            "(`repeat_task_tokens` is false), and the tokens in front look only at each other."
        )
    words = words_of_pieces(layout.instruction_pieces)
    for candidate in words:
        if candidate.text == word:
            return QueryRow(span.group, candidate.positions, f"word '{word}'")
    texts = [candidate.text for candidate in words]
    raise SelectionError(f"The instruction has no word '{word}'. It has: {', '.join(texts)}." + nearest(word, texts))
