"""The words of an RLDS episode: datasets keep them in different places, as text or as code points."""

from collections.abc import Iterator

import numpy as np

from octoscope.episodes.image_codec import is_encoded_image
from octoscope.episodes.rlds_values import STEPS, Example, stored_value

INSTRUCTION = f"{STEPS}language_instruction"

# Datasets do not agree on the name nor on the place; the first that says something wins. DROID has three wordings, any of
# which may be empty.
_NAMES = (
    "language_instruction",
    "natural_language_instruction",
    "language_instruction_2",
    "language_instruction_3",
    "instruction",
    "task",
)
_PLACES = (STEPS, f"{STEPS}observation/", "episode_metadata/", "")
# What such a remark begins with.
NO_INSTRUCTION = "No instruction was found"
_LISTED, _SHOWN = 5, 40


def find_instruction(example: Example, *, steps: int) -> str:
    """Returns the instruction: the first of the known fields that says something; "" when none does.

    Args:
      example: The stored values.
      steps: How many steps the episode has.

    >>> find_instruction({"steps/language_instruction": [b""], "steps/language_instruction_2": [b"lift"]}, steps=1)
    'lift'
    """
    for name in _NAMES:
        for place in _PLACES:
            stored = stored_value(example, place + name)
            if isinstance(stored, list):
                texts = [text.decode(errors="replace") for text in stored if not is_encoded_image(text)]
            else:
                texts = (
                    [] if stored is None else [_from_code_points(stored, rows=steps if place.startswith(STEPS) else 1)]
                )
            said = next((text for text in texts if text.strip()), None)
            if said is not None:
                return said
    return ""


def why_no_instruction(example: Example) -> str:
    """Returns a remark for an episode without an instruction: which text it records, in fields that may or may not be words.

    >>> why_no_instruction({"steps/caption": [b"lift the cup"]})
    "No instruction was found; text is recorded in steps/caption ('lift the cup')."
    """
    fields = [f"{path} ({_shortened(text)!r})" for path, text in _texts(example)]
    rest = f" and {len(fields) - _LISTED} more" if len(fields) > _LISTED else ""
    recorded = f"text is recorded in {', '.join(fields[:_LISTED])}{rest}" if fields else "no text is recorded"
    return f"{NO_INSTRUCTION}; {recorded}."


def _from_code_points(stored: np.ndarray, *, rows: int) -> str:
    """Returns the first row as letters, up to the first 0 (Language-Table's way); "" where the numbers are no letters."""
    if stored.dtype.kind != "i" or not len(stored) or len(stored) % rows:
        return ""
    first = stored[: len(stored) // rows]
    points = first[: np.argmax(first == 0)] if (first == 0).any() else first
    if len(first) < 2 or (points < 0).any() or (points > 0x10FFFF).any():
        return ""
    text = "".join(map(chr, points.tolist()))
    return text if text.isprintable() else ""


def _texts(example: Example) -> Iterator[tuple[str, str]]:
    for path, stored in sorted(example.items()):
        first = next((value for value in stored if value), b"") if isinstance(stored, list) else b""
        if not first or is_encoded_image(first):
            continue
        try:
            text = first.decode()
        except UnicodeDecodeError:
            continue
        if text.strip() and text.isprintable():
            yield path, text


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
