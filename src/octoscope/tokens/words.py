"""Word pieces back into words, and which pieces are padding."""

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


_MOST_NAMED = 8


@dataclass(frozen=True)
class InstructionReading:
    """What a tokenizer let through of an instruction, which has room for so many pieces and knows so many words."""

    # The part of the instruction that is read, and the rest, as typed.
    read: str
    cut: str
    # Pieces that are read, the end mark and other special ones included, padding not.
    pieces: int
    # Parts of what is read that the vocabulary does not have, as typed; all of them become one and the same piece.
    unknown: tuple[str, ...] = ()
    # Whether anything that is read is in the vocabulary.
    any_known: bool = True

    def remarks(self) -> list[str]:
        """Returns what must be said: what was read and what was cut, and which words became the piece for unknown ones.

        >>> for line in InstructionReading("put the", " ball away", 3, ("put",)).remarks():
        ...     print(line)
        The policy reads only 3 word pieces of the instruction: "put the". Cut off, and not read: "ball away".
        Not in the policy's vocabulary, and read as one and the same piece <unk>: "put".
        >>> InstructionReading("put the", "", 3).remarks()
        []
        """
        lines: list[str] = []
        if self.cut.strip():
            lines.append(
                f'The policy reads only {self.pieces} word pieces of the instruction: "{self.read.strip()}". Cut off, and not read: '
                f'"{self.cut.strip()}".'
            )
        if self.unknown:
            words = tuple(dict.fromkeys(self.unknown))
            more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
            named = ", ".join(f'"{word}"' for word in words[:_MOST_NAMED]) + more
            lines.append(
                f"Not in the policy's vocabulary, and read as one and the same piece {UNKNOWN_PIECE}: {named}."
                if self.any_known
                else f"The policy knows no word of the instruction: every one is read as the same piece {UNKNOWN_PIECE}: {named}."
            )
        return lines
