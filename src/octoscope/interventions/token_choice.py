"""Which places of the sequence a description of tokens means."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool
from octoscope.errors import SelectionError, nearest
from octoscope.interventions.descriptions import MaskKeys, Patches
from octoscope.tokens.layout import TokenLayout, TokenSpan
from octoscope.tokens.words import WordPiece, words_of_pieces


def chosen_keys(layout: TokenLayout, choice: MaskKeys) -> Bool[np.ndarray, " key"]:
    """Returns True at the places that a description means.

    Raises:
      SelectionError: If nothing is said, a camera, group, word, patch or timestep does not exist, or together they mean no token.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> image = ("obs_primary", 4, TokenSource("image", ("image_primary",), grid=(2, 2)))
    >>> layout = TokenLayout.assemble([], [image], window=2)
    >>> np.flatnonzero(chosen_keys(layout, MaskKeys(camera="primary", patches=((0, 1),))))
    array([1, 5])
    """
    if choice.camera is None and choice.group is None and choice.words is None and choice.timestep is None:
        raise SelectionError("Say which keys are masked: a camera, a token group, words, or a timestep.")
    spans = layout.spans if choice.camera is None else layout.image_spans(choice.camera)
    if choice.group is not None:
        layout.find_spans(choice.group)
        spans = tuple(span for span in spans if span.group == choice.group)
    if choice.timestep is not None:
        layout.find_spans(layout.spans[-1].group, timestep=choice.timestep)
        spans = tuple(span for span in spans if span.timestep == choice.timestep % layout.window)
    keys = np.zeros(layout.size, bool)
    for span in spans:
        keys[span.start : span.stop] = _within(layout, span, choice)
    if not keys.any():
        raise SelectionError(f"No token of the sequence is meant by: {choice.label}.")
    return keys


def chosen_queries(layout: TokenLayout, choice: MaskKeys) -> Bool[np.ndarray, " query"]:
    """Returns True at the tokens that the keys are hidden from.

    Raises:
      SelectionError: If there is no such group.
    """
    queries = np.zeros(layout.size, bool)
    queries[layout.select(choice.from_group) if choice.from_group else slice(None)] = True
    return queries


def check_patches(patches: Patches, grid: tuple[int, int] | None, camera: str) -> Bool[np.ndarray, "row column"]:
    """Returns the patch grid with True at the patches.

    Raises:
      SelectionError: If the camera has no patch grid, or a patch lies outside it.

    >>> check_patches([(0, 1)], (1, 2), "primary")
    array([[False,  True]])
    """
    if grid is None:
        raise SelectionError(f"The tokens of {camera} have no place in its image, so there are no patches to choose.")
    cells = np.zeros(grid, bool)
    for row, column in patches:
        if not (0 <= row < grid[0] and 0 <= column < grid[1]):
            raise SelectionError(
                f"The patches of {camera} are (0, 0) to ({grid[0] - 1}, {grid[1] - 1}), got ({row}, {column})."
            )
        cells[row, column] = True
    return cells


def _within(layout: TokenLayout, span: TokenSpan, choice: MaskKeys) -> Bool[np.ndarray, " token"]:
    inside = np.ones(span.size, bool)
    if choice.patches is not None:
        if choice.camera is None:
            raise SelectionError("Patches are of a camera: name it too.")
        inside &= check_patches(choice.patches, span.source.grid, choice.camera).ravel()
    if choice.words is not None:
        pieces = layout.pieces_of(span)
        inside &= _word_places(pieces, choice.words) if pieces else False
    return inside


def _word_places(pieces: tuple[WordPiece, ...], words: Sequence[str]) -> Bool[np.ndarray, " token"]:
    places = np.zeros(len(pieces), bool)
    known = words_of_pieces(pieces)
    for word in words:
        marks = [at for at, piece in enumerate(pieces) if piece.text == word and not piece.speaks]
        found = marks or [at for other in known if other.text == word for at in other.positions]
        if not found:
            names = [*(other.text for other in known), *dict.fromkeys(p.text for p in pieces if not p.speaks)]
            raise SelectionError(
                f"The instruction has no word '{word}'. It has: {', '.join(names)}.{nearest(word, names)}"
            )
        places[found] = True
    return places
