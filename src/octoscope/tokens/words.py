"""Pieces of an instruction as a policy's tokenizer makes them, and words made of pieces; the policy says what each piece is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# "word": part of the instruction. "unknown": a part that the tokenizer has no piece for. "special": a mark of the policy's own, such as
# the end, a newline or a place for an image. "padding": fills the sequence up.
PieceKind = Literal["word", "unknown", "special", "padding"]


@dataclass(frozen=True)
class WordPiece:
    """What one language token stands for."""

    # As the tokenizer spells it, for tables: "\u2581car", "</s>".
    text: str
    # The letters that it adds to a word; "" for marks.
    letters: str
    kind: PieceKind = "word"
    # Whether a new word begins with it.
    begins: bool = True

    @property
    def speaks(self) -> bool:
        """Whether it is part of the instruction, known or not."""
        return self.kind in ("word", "unknown")


@dataclass(frozen=True)
class Word:
    """One word of the instruction and the places of its pieces."""

    text: str
    positions: tuple[int, ...]


def words_of_pieces(pieces: Sequence[WordPiece]) -> tuple[Word, ...]:
    """Returns the words that the pieces spell; padding and marks belong to none, a piece not known is a word of its own.

    >>> put, car, rot = WordPiece("\u2581put", "put"), WordPiece("\u2581car", "car"), WordPiece("rot", "rot", begins=False)
    >>> words_of_pieces([put, car, rot, WordPiece("</s>", "", "special"), WordPiece("<pad>", "", "padding")])
    (Word(text='put', positions=(0,)), Word(text='carrot', positions=(1, 2)))
    """
    words: list[Word] = []
    # Whether the next piece may go on with the last word.
    open_word = False
    for position, piece in enumerate(pieces):
        if not piece.speaks:
            open_word = False if piece.kind == "special" else open_word
            continue
        if open_word and not piece.begins and piece.kind == "word":
            words[-1] = Word(words[-1].text + piece.letters, (*words[-1].positions, position))
        else:
            words.append(Word(piece.letters, (position,)))
        open_word = piece.kind == "word"
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
    # What the tokenizer calls the piece that stands for what it does not know.
    unknown_piece: str = "<unk>"

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
                f"Not in the policy's vocabulary, and read as one and the same piece {self.unknown_piece}: {named}."
                if self.any_known
                else f"The policy knows no word of the instruction: every one is read as the same piece {self.unknown_piece}: {named}."
            )
        return lines
