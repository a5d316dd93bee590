"""Where a checkpoint and its text files come from: a folder, the model hub, or the package itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from octoscope.checkpoints.checkpoint_folder import checkpoint_folder
from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.text_file import beside, find_text_file
from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.octo.network.t5 import T5_CONFIGS, T5Config
from octoscope.policies.octo.words.instruction_embeddings import EMBEDDINGS_FILE

_CHECKPOINT_FILES = [
    "config.json",
    "example_batch.msgpack",
    "dataset_statistics.json",
    "*/default/*",
    "*/params.safetensors",
    "*/tokenizer.json",
    EMBEDDINGS_FILE,
]
# Beside a text model's name in a config.
_TEXT_FILES = ("tokenizer.json", "config.json")
_TEXT_NAMES = ("tokenizer_name", "encoder")


def checkpoint_directory(checkpoint: str | Path) -> Path:
    """Returns the local folder of a checkpoint, fetched from the hub when it is named 'hf://owner/name'; see `checkpoint_folder`.

    Raises:
      CheckpointError: If the hub cannot be reached and its local cache does not hold the checkpoint.
    """
    return checkpoint_folder(checkpoint, files=_CHECKPOINT_FILES)


def find_tokenizer(name: str, checkpoint: Path) -> Path:
    """Returns the tokenizer.json of a text tokenizer: beside the checkpoint, else from the hub or its cache.

    Raises:
      CheckpointError: If it is in none of these places, saying which file to put where.
    """
    return find_text_file(name, "tokenizer.json", checkpoint)


def find_text_encoder(name: str, checkpoint: Path) -> T5Config:
    """Returns the sizes of a text encoder: from beside the checkpoint, else of the published T5 of that name.

    Raises:
      CheckpointError: If the encoder is not known and has no config.json.
      ConfigError: If it is no T5 encoder of the first version.
    """
    local = beside(name, "config.json", checkpoint)
    if local is None and name.removeprefix("google-t5/") in T5_CONFIGS:
        return T5_CONFIGS[name.removeprefix("google-t5/")]
    config = read_json(local or find_text_file(name, "config.json", checkpoint))
    model, activation = config.get("model_type", "t5"), config.get("feed_forward_proj", "relu")
    if model != "t5" or activation != "relu" or config.get("layer_norm_epsilon", 1e-6) != 1e-6:
        raise ConfigError(
            f"The text encoder '{name}' is a '{model}' with '{activation}' layers; octoscope builds the T5 that Octo was published "
            "with ('t5', 'relu', layer norm epsilon 1e-6). Such a policy runs on encodings computed before: set the language "
            "tokenizer's `encoder` to null and give `language_instruction` as an array."
        )
    try:
        return T5Config(**{field: config[field] for field in T5Config.__dataclass_fields__ if field in config})
    except TypeError as error:
        raise CheckpointError(f"The config.json of the text encoder '{name}' is not that of a T5 ({error}).") from None


def text_files_beside(config: Mapping[str, Any], checkpoint: Path) -> dict[str, Path]:
    """Returns the text files that lie beside a checkpoint, by the place where a copy of the checkpoint would look for them.

    Args:
      config: The checkpoint's config, which names its text models.
      checkpoint: Its folder; "" or a folder that is gone has none.
    """
    files: dict[str, Path] = {}
    for name in _text_names(config):
        for filename in _TEXT_FILES:
            local = beside(name, filename, checkpoint)
            if local is not None and not Path(name).is_absolute() and ".." not in Path(name).parts:
                files[f"{name}/{filename}"] = local
    embeddings = checkpoint / EMBEDDINGS_FILE
    return {**files, **({EMBEDDINGS_FILE: embeddings} if embeddings.is_file() else {})}


def _text_names(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        if tree.get("name") == "CLIPTextProcessor":
            yield "openai/clip-vit-base-patch32"
        for key, value in tree.items():
            if key in _TEXT_NAMES and isinstance(value, str):
                yield value
            else:
                yield from _text_names(value)
