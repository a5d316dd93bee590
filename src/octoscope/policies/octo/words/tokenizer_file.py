"""A tokenizer.json opened by its library, whose every way to fail becomes one sentence.

The library is written in Rust: on some broken files it panics, which prints a page of addresses and raises what no `except Exception`
catches.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from octoscope.errors import CheckpointError, ObservationError

# Written by nobody, and in no vocabulary: a snowman, a letter of a dead script, a place for private use.
_STRANGE = ("\u2603", "\ua66e", "\ue000")
# Larger than any tokenizer that is published (24 MB), and small enough for any memory.
_LARGEST_BYTES = 256 * 2**20
_STDERR = 2


def open_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of a tokenizer.json that has a piece for whatever it is given.

    Raises:
      CheckpointError: If the file is no tokenizer, or breaks at or drops words that it does not know.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes; at most {_LARGEST_BYTES:,} are read")
        content = path.read_text(encoding="utf-8")
        with _library_errors():
            tokenizer = Tokenizer.from_str(content)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no readable tokenizer.json ({error}). Copy it again from the tokenizer's source."
        ) from None
    _check_unknown_words(path, tokenizer)
    return tokenizer


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Any]:
    """Returns the library's encodings of these texts.

    Raises:
      ObservationError: If it cannot encode one of them.
    """
    try:
        with _library_errors():
            return tokenizer.encode_batch(list(texts))
    except (ValueError, TypeError, UnicodeError) as error:
        raise ObservationError(
            f"The policy's tokenizer cannot encode {list(texts)!r} ({error}). Give other words."
        ) from None


def _check_unknown_words(path: Path, tokenizer: Tokenizer) -> None:
    try:
        with _library_errors():
            pieces = [tokenizer.encode(text, add_special_tokens=False).ids for text in _STRANGE]
            # With marks around them, as words are encoded: a mark that the file does not define breaks here.
            for text in ("", *_STRANGE):
                tokenizer.encode(text)
    except ValueError as error:
        raise CheckpointError(
            f"{path} breaks at a word that it does not know, or at a mark around words ({error}): it is damaged, or has no piece for "
            "them. Copy it again from the tokenizer's source."
        ) from None
    if not any(pieces):
        raise CheckpointError(
            f"{path} has no piece for a word that it does not know: it would drop such words without a trace. Copy it again "
            "from the tokenizer's source."
        )


@contextlib.contextmanager
def _library_errors() -> Iterator[None]:
    """Turns whatever the library raises into a ValueError, and keeps its panics from printing."""
    try:
        with _silent_stderr():
            yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        raise ValueError((str(error).strip().splitlines() or [type(error).__name__])[0][:200]) from None


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    sys.stderr.flush()
    try:
        descriptor = os.dup(_STDERR)
    except OSError:
        # Closed: there is nothing to be printed on.
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        os.dup2(descriptor, _STDERR)
        os.close(descriptor)
