"""The words of the instruction as tokens: their rows, and their places as keys, in front and repeated."""

from collections import Counter
from dataclasses import dataclass

from octoscope.attention.query import QueryRow, sighted_words
from octoscope.attention.shares import timestep_name
from octoscope.errors import SelectionError
from octoscope.tokens.layout import HasLayout, TokenLayout, TokenSpan, layout_of, no_words
from octoscope.tokens.words import Word, words_of_pieces


@dataclass(frozen=True)
class WordCopy:
    """One copy of the instruction in the sequence: in front of the timesteps, or repeated at one of them."""

    # "words in front", "repeated words t-1".
    name: str
    span: TokenSpan

    def places(self, word: Word) -> list[int]:
        """Returns where the pieces of a word lie in the sequence."""
        return [self.span.start + position for position in word.positions]


def instruction_words(layout: TokenLayout | HasLayout, *, padding: bool = False) -> tuple[Word, ...]:
    """Returns the words of the instruction in their order, pieces joined; a word that comes again is numbered.

    Args:
      layout: The token layout, or a run.
      padding: Also the end mark, and all padding pieces as one entry; Octo attends to both as it does to words.

    Raises:
      SelectionError: If the policy reads no words, or the run does not know them.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> from octoscope.tokens.words import WordPiece
    >>> layout = TokenLayout.assemble([("task_language", 5, TokenSource("language"))], [], window=1)
    >>> the, ball = WordPiece("the", "the"), WordPiece("ball", "ball")
    >>> layout = layout.with_pieces([the, ball, the, WordPiece("</s>", "", "special"), WordPiece("<pad>", "", "padding")])
    >>> [word.text for word in instruction_words(layout, padding=True)]
    ['the', 'ball', 'the (2nd)', '</s>', '<pad> x 1']
    """
    layout = layout_of(layout)
    pieces = layout.instruction_pieces
    if not pieces:
        raise SelectionError(no_words(layout))
    seen: Counter[str] = Counter()
    words: list[Word] = []
    for word in words_of_pieces(pieces):
        seen[word.text] += 1
        words.append(Word(word.text + _ordinal(seen[word.text]), word.positions))
    if padding:
        for text in dict.fromkeys(piece.text for piece in pieces if piece.kind == "special"):
            words.append(Word(text, tuple(at for at, piece in enumerate(pieces) if piece.text == text)))
        fill = tuple(at for at, piece in enumerate(pieces) if piece.kind == "padding")
        words += [Word(f"{pieces[fill[0]].text} x {len(fill)}", fill)] if fill else []
    return tuple(words)


def word_copies(layout: TokenLayout) -> tuple[WordCopy, ...]:
    """Returns every copy of the instruction, in sequence order.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> from octoscope.tokens.words import WordPiece
    >>> copy = ("obs_task_language", 1, TokenSource("language", repeats="task_language"))
    >>> layout = TokenLayout.assemble([("task_language", 1, TokenSource("language"))], [copy], window=2)
    >>> [result.name for result in word_copies(layout.with_pieces([WordPiece("go", "go")]))]
    ['words in front', 'repeated words t-1', 'repeated words t']
    """
    copies: list[WordCopy] = []
    for span in layout.spans:
        if layout.pieces_of(span) is not None:
            repeated = f"repeated words {timestep_name(layout, span.timestep)}"
            copies.append(WordCopy("words in front" if span.timestep is None else repeated, span))
    return tuple(copies)


def word_queries(layout: TokenLayout | HasLayout, *, padding: bool = False) -> tuple[QueryRow, ...]:
    """Returns the row of each word that can see images: of the instruction's copy at the current timestep.

    The row of a word of several pieces is the mean of their rows.

    Args:
      layout: The token layout, or a run.
      padding: Also the end mark and the padding pieces.

    Raises:
      SelectionError: If the policy reads no words, or only in front of the timesteps, where they see only each other.
    """
    layout = layout_of(layout)
    words = instruction_words(layout, padding=padding)
    span = sighted_words(layout)
    if span is None or layout.pieces_of(span) is None:
        raise SelectionError(
            "No word of this policy can see an image: it does not repeat the instruction at each timestep "
            "(`repeat_task_tokens` is false), and the tokens in front look only at each other. "
            "What images give to words is in runs made with --queries obs_CAMERA."
        )
    return tuple(QueryRow(span.group, word.positions, f"word '{word.text}'") for word in words)


def _ordinal(count: int) -> str:
    return "" if count == 1 else f" ({count}{'nd' if count == 2 else 'rd' if count == 3 else 'th'})"
