"""Words into pieces: the text tokenizer that a checkpoint was trained with, from its `tokenizer.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from octoscope.array_typing import Int
from octoscope.errors import CheckpointError, ConfigError, nearest

_HF_TOKENIZER = "octo.data.utils.text_processing.HFTokenizer"
_PAD = "<pad>"


@dataclass(frozen=True)
class TextProcessor:
    """Encodes instructions as word-piece ids of a fixed number."""

    tokenizer: Tokenizer

    def encode(self, texts: Sequence[str]) -> dict[str, Int[np.ndarray, "batch token"]]:
        """Returns `input_ids` and `attention_mask` (0 on padding)."""
        encodings = self.tokenizer.encode_batch(list(texts))
        return {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        }

    def pieces(self, text: str) -> tuple[str, ...]:
        """Returns the pieces as text, padding included: ("▁pick", "▁up", ..., "</s>", "<pad>", ...)."""
        return tuple(self.tokenizer.encode(text).tokens)


def load_text_processor(spec: Mapping[str, Any] | None, find_tokenizer: Any) -> TextProcessor | None:
    """Returns the text processor that a config names, or None when the policy takes no words.

    Args:
      spec: The "text_processor" entry of config.json.
      find_tokenizer: Gives the path of tokenizer.json for a tokenizer's name ("t5-base").

    Raises:
      ConfigError: If the processor is not known.
      CheckpointError: If its vocabulary cannot be found or read.
    """
    if spec is None:
        return None
    path = f"{spec['module']}.{spec['name']}"
    if path != _HF_TOKENIZER:
        raise ConfigError(
            f"The config names the text processor '{path}', which octoscope does not know."
            f"{nearest(path, [_HF_TOKENIZER])} Known: {_HF_TOKENIZER}."
        )
    kwargs = spec["kwargs"]
    if kwargs.get("encode_with_model"):
        raise ConfigError("The config's text processor has `encode_with_model`, which octoscope does not support.")
    length = kwargs.get("tokenizer_kwargs", {}).get("max_length", 64)
    return TextProcessor(read_tokenizer(find_tokenizer(kwargs["tokenizer_name"]), max_length=length))


def read_tokenizer(path: Path, *, max_length: int) -> Tokenizer:
    """Returns the tokenizer, padding and truncating to `max_length` pieces with the end mark kept.

    Raises:
      CheckpointError: If the file is no tokenizer, or has no padding piece.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"{path} is no readable tokenizer.json ({error}).") from None
    pad_id = tokenizer.token_to_id(_PAD)
    if pad_id is None:
        raise CheckpointError(f"{path} has no padding piece '{_PAD}': it is not the tokenizer of a T5.")
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding(length=max_length, pad_id=pad_id, pad_token=_PAD)
    return tokenizer
