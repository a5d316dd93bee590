"""T5's and CLIP's spellings, told apart: which pieces are words, marks and padding, and where a word begins."""

from collections.abc import Sequence

from octoscope.tokens.words import WordPiece

# SentencePiece, T5's: this begins a word. CLIP's byte pairs: that ends one.
WORD_START, _END = "\u2581", "</w>"
_MARKS = ("</s>", "<|startoftext|>", "<|endoftext|>")
_PADDING, UNKNOWN_PIECE = "<pad>", "<unk>"


def describe_pieces(spellings: Sequence[str], *, real: Sequence[int] | None = None) -> tuple[WordPiece, ...]:
    """Returns what each piece is, from how the tokenizer spells it.

    Args:
      spellings: As the tokenizer gives them.
      real: The tokenizer's attention mask, 0 where a piece fills up: CLIP fills up with its end mark.

    >>> [piece.kind for piece in describe_pieces(["\u2581put", "<unk>", "</s>", "<pad>"])]
    ['word', 'unknown', 'special', 'padding']
    >>> [(piece.letters, piece.begins) for piece in describe_pieces(["car", "rot</w>", "now</w>"])]
    [('car', True), ('rot', False), ('now', True)]
    """
    of_clip = any(spelling.endswith(_END) for spelling in spellings)
    pieces: list[WordPiece] = []
    ended = True
    for place, spelling in enumerate(spellings):
        if spelling == _PADDING or (real is not None and not real[place]):
            pieces.append(WordPiece(spelling, "", "padding"))
        elif spelling in _MARKS:
            pieces.append(WordPiece(spelling, "", "special"))
        elif spelling == UNKNOWN_PIECE:
            pieces.append(WordPiece(spelling, spelling, "unknown"))
        else:
            begins = ended if of_clip else spelling.startswith(WORD_START)
            letters = spelling.removesuffix(_END) if of_clip else spelling.removeprefix(WORD_START)
            pieces.append(WordPiece(spelling, letters, "word", begins))
            ended = spelling.endswith(_END)
    return tuple(pieces)
