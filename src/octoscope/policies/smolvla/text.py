"""An instruction to word pieces, as SmolVLA's preprocessor makes them: a new line behind it, cut and padded on the right."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32
from tokenizers import Tokenizer

from octoscope.checkpoints.text_file import find_text_file
from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.lerobot_folder.policy_folder import LeRobotFolder

_AROUND, _WHOLE = "<fake_token_around_image>", "<global-img>"
_PADDING = ("<pad>", "<|im_end|>")


class Words(NamedTuple):
    """The word pieces of an instruction."""

    pieces: tuple[str, ...]
    ids: Int32[np.ndarray, " word"]
    # False where a piece is padding.
    real: Bool[np.ndarray, " word"]


@dataclass(frozen=True, eq=False)
class TextReader:
    """The tokenizer of a policy and how it is used."""

    tokenizer: Tokenizer
    max_length: int
    # Whether every instruction is padded to `max_length`; otherwise none is padded.
    padded: bool

    def read(self, instruction: str) -> Words:
        """Returns an instruction's word pieces."""
        encoding = self.tokenizer.encode(instruction if instruction.endswith("\n") else f"{instruction}\n")
        ids, pieces = encoding.ids[: self.max_length], encoding.tokens[: self.max_length]
        padding = self.max_length - len(ids) if self.padded else 0
        name = next((name for name in _PADDING if self.tokenizer.token_to_id(name) is not None), _PADDING[0])
        real = np.arange(len(ids) + padding) < len(ids)
        # What stands in the padding is never looked at.
        ids = [*ids, *[self.tokenizer.token_to_id(name) or 0] * padding]
        return Words((*pieces, *[name] * padding), np.array(ids, np.int32), real)

    def special(self) -> tuple[int, int]:
        """Returns the ids of the words around a picture.

        Raises:
          CheckpointError: If the tokenizer has none.
        """
        around, whole = (self.tokenizer.token_to_id(name) for name in (_AROUND, _WHOLE))
        if around is None or whole is None:
            raise CheckpointError(
                f"The policy puts '{_AROUND}' and '{_WHOLE}' around pictures, and its tokenizer has none."
            )
        return around, whole


def open_text_reader(folder: LeRobotFolder) -> TextReader:
    """Returns the tokenizer that a policy folder names, from beside the folder or from the hub's cache.

    Raises:
      CheckpointError: If it is in none of these places.
      ConfigError: If it is used in a way that is not read here.
    """
    config, step = folder.config, folder.processing.tokenizer
    settings: Mapping[str, Any] = step or {
        "tokenizer_name": config.field("vlm_model_name", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"),
        "max_length": config.field("tokenizer_max_length", 48),
        "padding": config.field("pad_language_to", "longest"),
    }
    padding, side = settings.get("padding", "max_length"), settings.get("padding_side", "right")
    if padding not in ("longest", "max_length") or side != "right" or not settings.get("truncation", True):
        raise ConfigError(
            f"Words are read with padding 'longest' or 'max_length' on the right and cut; the folder says {dict(settings)}."
        )
    name, longest = settings.get("tokenizer_name"), settings.get("max_length")
    if not isinstance(name, str) or type(longest) is not int or longest < 1:
        raise ConfigError(f"The folder's tokenizer must have a name and a `max_length`, got {dict(settings)}.")
    path: Path = find_text_file(name, "tokenizer.json", folder.path)
    return TextReader(Tokenizer.from_file(str(path)), longest, padding == "max_length")
