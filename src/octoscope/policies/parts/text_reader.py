"""An instruction to word pieces, as LeRobot's preprocessors make them: cut, and padded on the right."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32
from tokenizers import Encoding, Tokenizer

from octoscope.checkpoints.text_file import find_text_file
from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.lerobot_folder.policy_folder import LeRobotFolder
from octoscope.tokens.words import InstructionReading, WordPiece

_PADDING = ("<pad>", "<|im_end|>")
_UNKNOWN = ("<unk>", "[UNK]")


class Words(NamedTuple):
    """The word pieces of an instruction."""

    # Padding included; of those that tell the state, as they are at this step.
    pieces: tuple[WordPiece, ...]
    ids: Int32[np.ndarray, " word"]
    # False where a piece is padding.
    real: Bool[np.ndarray, " word"]
    reading: InstructionReading
    # Pieces in front of those that tell the state: all, where none does.
    spoken: int


@dataclass(frozen=True, eq=False)
class TextReader:
    """The tokenizer of a policy and how it is used."""

    tokenizer: Tokenizer
    max_length: int
    # Whether every instruction is padded to `max_length`; otherwise none is padded.
    padded: bool

    def read_line(self, instruction: str) -> Words:
        """Returns the pieces of an instruction with a new line behind it."""
        text = instruction if instruction.endswith("\n") else f"{instruction}\n"
        return self.read(text, (0, len(instruction.rstrip("\n"))))

    def read(self, text: str, spoken: tuple[int, int], *, state: int | None = None) -> Words:
        """Returns the pieces of a text.

        Args:
          text: As the policy is told it.
          spoken: From where to where it is the instruction; what is around it are the policy's own marks.
          state: From where on it tells the state; None where it does not.
        """
        encoding = self.tokenizer.encode(text)
        count = min(len(encoding.ids), self.max_length)
        padding = self.max_length - count if self.padded else 0
        pieces = _pieces(encoding, text, spoken, self._id_of(_UNKNOWN))[:count]
        name = next((name for name in _PADDING if self.tokenizer.token_to_id(name) is not None), _PADDING[0])
        # What stands in the padding is never looked at.
        ids = [*encoding.ids[:count], *[self.tokenizer.token_to_id(name) or 0] * padding]
        return Words(
            (*pieces, *[WordPiece(name, "", "padding")] * padding),
            np.array(ids, np.int32),
            np.arange(count + padding) < count,
            _reading(encoding, text, spoken, pieces),
            count + padding if state is None else sum(stop <= state for _, stop in encoding.offsets[:count]),
        )

    def id_of(self, name: str) -> int:
        """Returns the id of a piece that the policy cannot do without.

        Raises:
          CheckpointError: If the tokenizer has none.
        """
        number = self.tokenizer.token_to_id(name)
        if number is None:
            raise CheckpointError(f"The policy puts '{name}' into its sequence, and its tokenizer has no such piece.")
        return number

    def _id_of(self, names: tuple[str, ...]) -> int | None:
        return next((number for name in names if (number := self.tokenizer.token_to_id(name)) is not None), None)


def open_text_reader(folder: LeRobotFolder, *, name: str, max_length: int, padding: str) -> TextReader:
    """Returns the tokenizer that a policy folder names, from beside the folder or from the hub's cache.

    Args:
      folder: The policy's.
      name: Of the tokenizer, where the folder names none; so for the others.
      max_length: Most pieces.
      padding: "longest" pads nothing, "max_length" everything to it.

    Raises:
      CheckpointError: If it is in none of these places, or cannot be read.
      ConfigError: If it is used in a way that is not read here.
    """
    step = folder.processing.tokenizer
    settings: Mapping[str, Any] = step or {"tokenizer_name": name, "max_length": max_length, "padding": padding}
    how, side = settings.get("padding", "max_length"), settings.get("padding_side", "right")
    if how not in ("longest", "max_length") or side != "right" or not settings.get("truncation", True):
        raise ConfigError(
            f"Words are read with padding 'longest' or 'max_length' on the right and cut; the folder says {dict(settings)}."
        )
    named, longest = settings.get("tokenizer_name"), settings.get("max_length")
    if not isinstance(named, str) or type(longest) is not int or longest < 1:
        raise ConfigError(f"The folder's tokenizer must have a name and a `max_length`, got {dict(settings)}.")
    path: Path = find_text_file(named, "tokenizer.json", folder.path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise CheckpointError(f"{path} is no tokenizer ({error}). Fetch it again.") from None
    return TextReader(tokenizer, longest, how == "max_length")


def _pieces(encoding: Encoding, text: str, spoken: tuple[int, int], unknown: int | None) -> list[WordPiece]:
    pieces: list[WordPiece] = []
    last = 0
    for number, name, (start, stop), special in zip(
        encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True
    ):
        # A letter of several pieces belongs to its first; what is around the instruction, to nothing that is said.
        first, behind = max(start, last, spoken[0]), min(stop, spoken[1])
        letters = text[first:behind].strip()
        last = max(last, stop)
        inside = start < spoken[1] and stop > spoken[0] and bool(text[max(start, spoken[0]) : behind].strip())
        if special or not inside:
            pieces.append(WordPiece(name.replace("\n", "\\n"), "", "special"))
            continue
        begins = start <= spoken[0] or text[start].isspace() or text[start - 1].isspace()
        pieces.append(WordPiece(name, letters, "unknown" if number == unknown else "word", begins))
    return pieces


def _reading(encoding: Encoding, text: str, spoken: tuple[int, int], pieces: list[WordPiece]) -> InstructionReading:
    kept = [(at, piece) for at, piece in enumerate(pieces) if piece.speaks]
    all_said = len(pieces) == len(encoding.ids)
    stop = spoken[1] if all_said else max((encoding.offsets[at][1] for at, _ in kept), default=spoken[0])
    missing = [(at, piece) for at, piece in kept if piece.kind == "unknown"]
    return InstructionReading(
        text[spoken[0] : stop],
        text[stop : spoken[1]],
        len(pieces),
        tuple(text[slice(*encoding.offsets[at])].strip() for at, _ in missing),
        any_known=not kept or len(missing) < len(kept),
        unknown_piece=missing[0][1].text if missing else "<unk>",
    )
