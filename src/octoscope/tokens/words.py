"""Word pieces back into words, and which pieces are padding."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

WORD_START = "\u2581"  # SentencePiece marks the piece that begins a word
PAD_PIECE = "<pad>"
END_PIECE = "</s>"
UNKNOWN_PIECE = "<unk>"


@dataclass(frozen=True)
class Word:
    """One word of the instruction and the places of its pieces."""

    text: str
    positions: tuple[int, ...]


def words_of_pieces(pieces: Sequence[str]) -> tuple[Word, ...]:
    """Returns the words that the pieces spell; padding and the end mark belong to none, a piece not known is a word of its own.

    >>> words_of_pieces(["\u2581put", "\u2581car", "rot", "</s>", "<pad>"])
    (Word(text='put', positions=(0,)), Word(text='carrot', positions=(1, 2)))
    """
    words: list[Word] = []
    for position, piece in enumerate(pieces):
        if piece in (PAD_PIECE, END_PIECE):
            continue
        text = piece.removeprefix(WORD_START)
        if words and words[-1].text != UNKNOWN_PIECE and not piece.startswith((WORD_START, UNKNOWN_PIECE)):
            words[-1] = Word(words[-1].text + text, (*words[-1].positions, position))
        else:
            words.append(Word(text, (position,)))
    return tuple(words)


def cut_remark(instruction: str, pieces: Sequence[str]) -> str:
    """Returns a sentence where the pieces end before the instruction does, as the tokenizer has room for no more; else "".

    >>> cut_remark("put the carrot", ["\u2581put", "\u2581the", "</s>"])
    'The instruction is cut after "put the": the policy reads 3 pieces, and no more of its words.'
    >>> cut_remark("put it", ["\u2581put", "\u2581it", "</s>"])
    ''
    """
    read = [word.text for word in words_of_pieces(pieces)]
    said, seen = (re.sub(r"\W", "", text).lower() for text in (instruction, "".join(read)))
    if not pieces or PAD_PIECE in pieces or not said.startswith(seen) or said == seen:
        return ""
    return (
        f'The instruction is cut after "{" ".join(read[-3:])}": the policy reads {len(pieces)} pieces, and no more of its '
        "words."
    )
