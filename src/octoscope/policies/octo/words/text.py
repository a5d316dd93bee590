"""Instructions as the policy reads them: the text processor that a checkpoint's config names.

| config says | what is built |
|---|---|
| HFTokenizer | word pieces, from the tokenizer's `tokenizer.json` |
| CLIPTextProcessor | word pieces with position ids, from CLIP's `tokenizer.json` |
| HFTokenizer with `encode_with_model`, MuseEmbedding | encodings computed elsewhere, from `instruction_embeddings.npz` |
| none | the same where that file lies beside the checkpoint; else nothing: the policy takes no words |
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from tokenizers import Tokenizer

from octoscope.array_typing import Float, Int
from octoscope.errors import CheckpointError, ConfigError, nearest
from octoscope.policies.octo.checkpoint.spec import spec_arguments, spec_path
from octoscope.policies.octo.network.t5 import T5Config
from octoscope.policies.octo.words.instruction_embeddings import read_instruction_embeddings
from octoscope.policies.octo.words.tokenizer_file import encode_texts, open_tokenizer
from octoscope.policies.octo.words.word_pieces import UNKNOWN_PIECE, WORD_START, describe_pieces
from octoscope.tokens.words import InstructionReading, WordPiece

_MODULE = "octo.data.utils.text_processing"
_HF_TOKENIZER = f"{_MODULE}.HFTokenizer"
_CLIP = f"{_MODULE}.CLIPTextProcessor"
_MUSE = f"{_MODULE}.MuseEmbedding"
# Arguments of each, in the original's order.
_ARGUMENTS = {
    _HF_TOKENIZER: ("tokenizer_name", "tokenizer_kwargs", "encode_with_model"),
    _CLIP: ("tokenizer_kwargs",),
    _MUSE: (),
}
_DEFAULT_KWARGS = {"max_length": 64, "padding": "max_length", "truncation": True, "return_tensors": "np"}
_CLIP_TOKENIZER = "openai/clip-vit-base-patch32"
_T5_PAD, _CLIP_PAD = "<pad>", "<|endoftext|>"


@runtime_checkable
class TextProcessor(Protocol):
    """What turns instructions into what the policy's language tokenizer takes."""

    def encode(self, texts: Sequence[str]) -> dict[str, Int[np.ndarray, "batch token"]] | Float[np.ndarray, "..."]:
        """Returns word-piece ids and their mask, or encodings (batch, embed) or (batch, token, embed)."""
        ...

    def pieces(self, text: str) -> tuple[str, ...]:
        """Returns the pieces as text, one per language token; () when the policy reads encodings instead."""
        ...

    def reading(self, text: str) -> InstructionReading | None:
        """Returns what of the text the pieces are made of; None when the policy reads encodings instead."""
        ...

    def word_pieces(self, text: str) -> tuple[WordPiece, ...]:
        """Returns the same pieces, each with what it is: a word's, a mark of the tokenizer's own, or padding."""
        ...


@dataclass(frozen=True)
class WordPieces:
    """Encodes instructions as word-piece ids of a fixed number."""

    tokenizer: Tokenizer
    # Also number the pieces, which CLIP's processor does.
    position_ids: bool = False

    def encode(self, texts: Sequence[str]) -> dict[str, Int[np.ndarray, "batch token"]]:
        """Returns `input_ids` and `attention_mask` (0 on padding), and `position_ids` where asked for."""
        encodings = encode_texts(self.tokenizer, texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        positions = {"position_ids": np.tile(np.arange(ids.shape[1]), (len(ids), 1))} if self.position_ids else {}
        return {"input_ids": ids, "attention_mask": mask, **positions}

    def pieces(self, text: str) -> tuple[str, ...]:
        """Returns the pieces as text, padding included: ("▁pick", "▁up", ..., "</s>", "<pad>", ...)."""
        return tuple(encode_texts(self.tokenizer, [text])[0].tokens)

    def reading(self, text: str) -> InstructionReading:
        """Returns what of the text the pieces are made of, by the places that the tokenizer says it took them from."""
        (encoding,) = encode_texts(self.tokenizer, [text])
        # Unigram vocabularies, as T5's, do not name their piece for what they lack.
        unknown = self.tokenizer.token_to_id(getattr(self.tokenizer.model, "unk_token", None) or UNKNOWN_PIECE)
        words = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        end = max((encoding.offsets[place][1] for place in words), default=0) if encoding.overflowing else len(text)
        lost = [place for place in words if encoding.ids[place] == unknown]
        read_places = [place for place in words if place not in lost and encoding.tokens[place].strip(WORD_START)]
        return InstructionReading(
            read=text[:end],
            cut=text[end:],
            pieces=sum(encoding.attention_mask),
            unknown=tuple(filter(None, (text[slice(*encoding.offsets[place])].strip() for place in lost))),
            any_known=bool(read_places) or not words,
        )

    def word_pieces(self, text: str) -> tuple[WordPiece, ...]:
        """Returns the same pieces, each with what it is."""
        (encoding,) = encode_texts(self.tokenizer, [text])
        return describe_pieces(encoding.tokens, real=encoding.attention_mask)


def load_text_processor(
    spec: Any, find_tokenizer: Callable[[str], Path], embeddings_file: Path
) -> TextProcessor | None:
    """Returns the text processor that a config names, or None when the policy takes no words.

    A config that names none may still be of a policy whose task is an encoding, as FiLM takes it: a table of encodings that someone laid
    beside the checkpoint says so, and gives them.

    Args:
      spec: The "text_processor" entry of config.json.
      find_tokenizer: Gives the path of tokenizer.json for a tokenizer's name ("t5-base").
      embeddings_file: Where encodings computed elsewhere would lie.

    Raises:
      ConfigError: If the processor or an argument of it is not known.
      CheckpointError: If its vocabulary cannot be found or read.
    """
    if spec is None:
        encoder = "a model that its config does not name"
        return read_instruction_embeddings(embeddings_file, encoder=encoder) if embeddings_file.is_file() else None
    path = spec_path(spec, _ARGUMENTS, kind="text processor")
    required = ("tokenizer_name",) if path == _HF_TOKENIZER else ()
    arguments = spec_arguments(spec, _ARGUMENTS[path], required=required)
    if path == _MUSE:
        return read_instruction_embeddings(embeddings_file, encoder="the TensorFlow hub's MUSE")
    if arguments.get("encode_with_model"):
        encoder = f"the language model '{arguments['tokenizer_name']}'"
        return read_instruction_embeddings(embeddings_file, encoder=encoder)
    length = _fixed_length(path, arguments.get("tokenizer_kwargs") or _DEFAULT_KWARGS)
    if path == _CLIP:
        tokenizer = read_tokenizer(find_tokenizer(_CLIP_TOKENIZER), max_length=length, pad=_CLIP_PAD)
        return WordPieces(tokenizer, position_ids=True)
    return WordPieces(read_tokenizer(find_tokenizer(arguments["tokenizer_name"]), max_length=length))


def _fixed_length(path: str, tokenizer_kwargs: Mapping[str, Any]) -> int:
    """Returns how many pieces every instruction is cut or filled up to."""
    for name in tokenizer_kwargs:
        if name not in _DEFAULT_KWARGS:
            raise ConfigError(
                f"The config gives '{path}' the `tokenizer_kwargs` '{name}', which octoscope does not know."
                f"{nearest(name, _DEFAULT_KWARGS)} Known: {', '.join(_DEFAULT_KWARGS)}."
            )
    length = tokenizer_kwargs.get("max_length")
    fixed = tokenizer_kwargs.get("padding") == "max_length" and tokenizer_kwargs.get("truncation")
    if not fixed or not isinstance(length, int) or length < 1:
        raise ConfigError(
            f"The `tokenizer_kwargs` of '{path}' must give every instruction the same number of pieces (`max_length` a number, "
            f"`padding` 'max_length', `truncation` true), because the policy has one position for each; got "
            f"{dict(tokenizer_kwargs)}."
        )
    return length


def check_vocabulary(text_processor: TextProcessor | None, encoders: Iterable[T5Config]) -> None:
    """Compares the tokenizer with the text encoders that its pieces go into.

    Raises:
      CheckpointError: If it knows pieces that an encoder has no embedding for: then it is another model's.
    """
    for encoder in encoders:
        if not isinstance(text_processor, WordPieces):
            continue
        # Counted by the highest number, since there may be gaps.
        pieces = max(text_processor.tokenizer.get_vocab().values(), default=-1) + 1
        if pieces > encoder.vocab_size:
            raise CheckpointError(
                f"The tokenizer.json knows {pieces:,} word pieces, but the policy's text encoder has embeddings for "
                f"{encoder.vocab_size:,}: it is the tokenizer of another model. Put the one named in config.json beside the checkpoint."
            )


def read_tokenizer(path: Path, *, max_length: int, pad: str = _T5_PAD) -> Tokenizer:
    """Returns the tokenizer, padding and truncating to `max_length` pieces with the end mark kept.

    Args:
      path: A tokenizer.json.
      max_length: Pieces of every instruction.
      pad: The piece that fills up.

    Raises:
      CheckpointError: If the file is no tokenizer, breaks at unknown words, or has no such padding piece.
    """
    tokenizer = open_tokenizer(path)
    pad_id = tokenizer.token_to_id(pad)
    if pad_id is None:
        model = "T5" if pad == _T5_PAD else "CLIP"
        raise CheckpointError(f"{path} has no padding piece '{pad}': it is not the tokenizer of a {model}.")
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding(length=max_length, pad_id=pad_id, pad_token=pad)
    return tokenizer
