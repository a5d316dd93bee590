"""Image to words: what the patches of a camera give to each word of the instruction.

The other way about, a word's map over the patches, is an attention map of that word's row: see `word_queries`.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.attention.instruction_words import instruction_words, word_copies
from octoscope.attention.maps import grid_box, placed_spans, visible_keys
from octoscope.attention.query import QueryRow, missing_rows
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box


@dataclass(frozen=True)
class PatchWords:
    """What each patch of a camera at the current timestep gives to each word of one copy of the instruction, in one layer."""

    camera: str
    # Token group of the patches, which attend.
    group: str
    # The copy of the instruction that is attended to: "words in front", "repeated words t".
    copy: str
    words: tuple[str, ...]
    # The current frame, RGB, 0..255, as recorded.
    frame: UInt8[np.ndarray, "height width 3"]
    # Raw weights, summed over the pieces of a word: each is a share of that patch's whole attention.
    weights: Float[np.ndarray, "head word row column"]
    # False for a word that the patches may not look at.
    visible: Bool[np.ndarray, " word"]
    # Where the patch grid lies on the frame: top, left, bottom, right in pixels.
    box: Box


def patch_words(
    run: Run, *, step: int, layer: int, camera: str | None = None, padding: bool = False
) -> tuple[PatchWords, ...]:
    """Returns what the patches give to the words, camera by camera, copy by copy of the instruction.

    Args:
      run: The run; it must hold rows of patches.
      step: Step of the episode.
      layer: 0 is the first.
      camera: Only this one; by default all whose rows are in the run.
      padding: Also the end mark and the padding pieces.

    Raises:
      SelectionError: If the run holds no rows of patches or no attention to words, or the step, layer or camera does not exist.
    """
    run.check_layers([layer])
    words = instruction_words(run.layout, padding=padding)
    copies = [copy for copy in word_copies(run.layout) if copy.span.group in run.key_groups]
    if not copies:
        wanted = dict.fromkeys(copy.span.group for copy in word_copies(run.layout))
        raise SelectionError(f"The run holds no attention to words. Capture it with --keys {' '.join(wanted)}.")
    frame_index = run.frame_index(step=step)
    rows: list[PatchWords] = []
    for name, group in patch_rows(run, camera):
        span = run.layout.find_spans(group, timestep=-1)[0]
        grid = span.source.grid
        assert grid is not None, "placed spans have a grid"
        weights = run.attention(group, step=step, layers=[layer])[0]
        # All patches of a camera at one timestep follow the same rules.
        visible = visible_keys(run, QueryRow(group, (span.size - 1,), group), step=step)
        for copy in copies:
            on_words = np.stack([weights[..., copy.places(word)].sum(axis=-1) for word in words], axis=1)
            rows.append(
                PatchWords(
                    camera=name,
                    group=group,
                    copy=copy.name,
                    words=tuple(word.text for word in words),
                    frame=run.frame(name, time=int(frame_index[-1])),
                    weights=on_words.reshape(*on_words.shape[:2], *grid),
                    visible=np.array([bool(visible[copy.places(word)].all()) for word in words]),
                    box=grid_box(span.source, run.transform(name)),
                )
            )
    return tuple(rows)


def patch_rows(run: Run, camera: str | None = None) -> list[tuple[str, str]]:
    """Returns the cameras whose patches' own attention is in the run, each with its token group.

    Raises:
      SelectionError: If there are none; it says how to capture them.
    """
    placed = dict.fromkeys((name, span.group) for name, span in placed_spans(run.layout, camera))
    captured = [(name, group) for name, group in placed if group in run.query_groups]
    if not captured:
        raise SelectionError(
            f"What a patch gives to the words is not here: {missing_rows(run, list(dict.fromkeys(group for _, group in placed)))}"
        )
    return captured
