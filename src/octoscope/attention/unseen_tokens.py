"""Tokens that no picture shows: each word of the instruction, marks and padding, numbers, readouts, and patches around a frame."""

from dataclasses import dataclass

from octoscope.attention.instruction_words import instruction_words
from octoscope.attention.shares import share_parts
from octoscope.tokens.layout import TokenLayout, TokenSpan


@dataclass(frozen=True)
class TokenEntry:
    """Tokens that are told as one."""

    # "red", "red (repeated)", "</s> of words", "proprio t".
    name: str
    # In the sequence.
    places: tuple[int, ...]


def unseen_tokens(layout: TokenLayout, *, stack: str | None = None) -> tuple[TokenEntry, ...]:
    """Returns the entries of everything that is no patch of a scene, in sequence order; together with those patches they are all keys.

    Copies of the instruction at several timesteps are one entry a word, as in `attention_shares`.

    Args:
      layout: The token layout.
      stack: Whose keys; of the one that acts by default.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> from octoscope.tokens.words import WordPiece
    >>> words, numbers = ("task_language", 3, TokenSource("language")), ("obs_proprio", 2, TokenSource("lowdim"))
    >>> layout = TokenLayout.assemble([words], [numbers], window=1)
    >>> go, on, end = WordPiece("go", "go"), WordPiece("on", "on"), WordPiece("</s>", "", "special")
    >>> [(entry.name, entry.places) for entry in unseen_tokens(layout.with_pieces([go, on, end]))]
    [('go', (0,)), ('on', (1,)), ('</s> of words', (2,)), ('obs_proprio t', (3, 4))]
    """
    keys = layout.stack(stack).key_groups if layout.stacks else layout.groups
    entries: dict[str, list[int]] = {}
    for span in (span for span in layout.spans if span.group in keys):
        for name, places in _entries(layout, span):
            entries.setdefault(name, []).extend(places)
    return tuple(TokenEntry(name, tuple(places)) for name, places in entries.items() if places)


def _entries(layout: TokenLayout, span: TokenSpan) -> list[tuple[str, list[int]]]:
    parts = share_parts(layout, span)
    if span.source.kind == "image":
        return parts[1:]
    pieces = layout.pieces_of(span)
    if pieces is None:
        return parts
    copy = "" if span.source.repeats is None else " (repeated)"
    words = instruction_words(layout) if any(piece.speaks for piece in pieces) else ()
    # The first part holds the words, each of which has an entry of its own here.
    return [(word.text + copy, [span.start + at for at in word.positions]) for word in words] + parts[1:]
