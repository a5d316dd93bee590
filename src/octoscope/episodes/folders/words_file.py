"""The words of a task in a text file beside pictures or videos."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.errors import EpisodeError


def read_words(files: Sequence[Path]) -> str:
    """Returns the first line of words of the first file that is there; "" where there is none.

    BridgeData writes the annotator's confidence below the words; such lines are not words.

    Raises:
      EpisodeError: If a file is there and is no text.
    """
    for file in files:
        if file.is_file():
            try:
                lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
            except (OSError, UnicodeDecodeError) as error:
                raise EpisodeError(f"{file}: cannot be read as text in UTF-8 ({error}). Save it as such.") from error
            words = [line for line in lines if line and "confidence" not in line.lower()]
            if words:
                return words[0]
    return ""
