"""The instruction's word pieces at every stage they pass: T5's layers, the projection, the policy's layers."""

import functools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.residual_stream import holds_rows, point_rows
from octoscope.errors import SelectionError, nearest
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenSpan, no_words
from octoscope.tokens.words import WordPiece

# What `word_stages` reads; fewer points give fewer stages.
WORD_POINTS = ("tokens.task_*", "tokens.obs_task_*.embedding", "blocks.*.residual", "blocks.final")


# Stages of a group on its way into the sequence, and what they are called here.
_PLACED = {"projection": "projected", "embedding": "placed"}


@dataclass(frozen=True, eq=False)
class Stage:
    """All word pieces at one place of the way."""

    # "embedding", "layer 0", "projection": as it stands in tables.
    name: str
    # "T5", "T5 output", "policy", "output". Stages of one space are made of each other by adding; vectors of two spaces cannot be compared,
    # even where they have the same number of entries.
    space: str
    # The point it was read from.
    point: str
    encodings: Float[np.ndarray, "token embed"]


@dataclass(frozen=True, eq=False)
class WordStages:
    """The word pieces of one copy of the instruction, from the first stage to the last."""

    # Pieces without the mark that begins a word; one that comes again is numbered.
    words: tuple[str, ...]
    stages: tuple[Stage, ...]
    # "words in front", "repeated words at t, step 3".
    copy: str

    @functools.cached_property
    def spaces(self) -> tuple[str, ...]:
        """Names of the spaces, in order."""
        return tuple(dict.fromkeys(stage.space for stage in self.stages))

    def of_space(self, space: str) -> tuple[Stage, ...]:
        """Returns the stages of one space.

        Raises:
          SelectionError: If there is none.
        """
        if space not in self.spaces:
            raise SelectionError(
                f"There is no space '{space}'.{nearest(space, self.spaces)} There are: {', '.join(self.spaces)}."
            )
        return tuple(stage for stage in self.stages if stage.space == space)


def word_stages(
    run: Run, *, step: int | None = None, copy: str = "in front", group: str | None = None, padding: bool = False
) -> WordStages:
    """Returns the word pieces at every stage that the run holds (`WORD_POINTS`).

    Args:
      run: A run with encodings.
      step: Step of the episode; the run's first by default. Words in front are the same at every step, since they see only each other.
      copy: "in front" (the words before the timesteps) or "repeated" (their copy at the current timestep, which can see the image).
      group: Token group of the words; the first by default.
      padding: Also the end mark and the padding pieces, which Octo attends to as to words.

    Raises:
      SelectionError: If the run holds no words, no encodings of them, or not that copy or step.
    """
    if copy not in ("in front", "repeated"):
        raise SelectionError(f"`copy` must be 'in front' or 'repeated', got '{copy}'.")
    step = run.steps[0] if step is None else step
    front, span = _spans(run, copy, group)
    pieces = run.layout.pieces_of(front) or ()
    chosen = [place for place, piece in enumerate(pieces) if padding or piece.speaks]
    if not chosen:
        raise SelectionError("The policy reads no word of this instruction, so there is nothing to follow.")
    stages = [
        Stage(stage.name, stage.space, stage.point, stage.encodings[chosen])
        for stage in _stages(run, front, span, step)
    ]
    if not stages:
        raise SelectionError(
            "The run holds no encodings of words: make one with "
            + f"--encodings {' '.join(repr(pattern) for pattern in WORD_POINTS)}."
        )
    where = "words in front" if copy == "in front" else f"words repeated at t, step {step}"
    return WordStages(_labels([pieces[place] for place in chosen]), tuple(stages), where)


def _spans(run: Run, copy: str, group: str | None) -> tuple[TokenSpan, TokenSpan]:
    """Returns the words in front, and the copy that is looked at."""
    fronts = [s for s in run.layout.spans if s.timestep is None and run.layout.pieces_of(s) is not None]
    fronts = [span for span in fronts if group in (None, span.group)]
    if not fronts:
        raise SelectionError(no_words(run.layout))
    if copy == "in front":
        return fronts[0], fronts[0]
    repeated = [span for span in run.layout.spans if span.source.repeats == fronts[0].group]
    if not repeated:
        raise SelectionError(
            "This policy does not repeat its instruction at each timestep (`repeat_task_tokens` is false): take the words in front."
        )
    return fronts[0], repeated[-1]


def _stages(run: Run, front: TokenSpan, span: TokenSpan, step: int) -> list[Stage]:
    """Returns the stages of every place of the span, in the order of the forward."""
    stages: list[Stage] = []
    for point in run.encoding_points:
        if point.group == front.group and point.stage.startswith("text."):
            name = f"layer {point.layer}" if point.layer is not None else point.stage.removeprefix("text.")
            # Its last norm rescales: what comes out is no further step on the way.
            space = f"{point.place} output" if point.stage == "text.final" else point.place
            stages.append(Stage(name, space, point.name, run.encoding(point.name, step=step)))
        elif point.group == front.group and point.stage in _PLACED:
            stages.append(Stage(_PLACED[point.stage], "policy", point.name, run.encoding(point.name, step=step)))
        elif point.stage in ("residual", "final") and holds_rows(run, point.stack, span.group):
            name, space = ("normed", "output") if point.stage == "final" else (f"layer {point.layer}", "policy")
            rows = point_rows(run, point, np.arange(span.start, span.stop))
            stages.append(Stage(name, space, point.name, run.encoding(point.name, step=step)[rows]))
    return stages


def _labels(pieces: list[WordPiece]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    labels: list[str] = []
    for piece in pieces:
        text = (piece.letters if piece.speaks else piece.text) or "_"
        text = text if piece.begins or not labels else f"-{text}"
        seen[text] += 1
        labels.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return tuple(labels)
