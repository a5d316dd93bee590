"""Where a checkpoint and its text files come from: a folder, the model hub, or the package itself."""

from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download

from octoscope.embedded import files
from octoscope.errors import CheckpointError
from octoscope.octo.config import read_json
from octoscope.octo.t5 import T5_CONFIGS, T5Config

_HUB = "hf://"
_CHECKPOINT_FILES = [
    "config.json",
    "example_batch.msgpack",
    "dataset_statistics.json",
    "*/default/*",
    "*/tokenizer.json",
]


def checkpoint_directory(checkpoint: str | Path) -> Path:
    """Returns the local folder of a checkpoint, fetched from the hub when it is named 'hf://owner/name'.

    Raises:
      CheckpointError: If the hub cannot be reached and its local cache does not hold the checkpoint.
    """
    if str(checkpoint) == "demo":
        return files.policy_directory()
    if not str(checkpoint).startswith(_HUB):
        return Path(checkpoint).expanduser().resolve()
    name, _, revision = str(checkpoint).removeprefix(_HUB).partition("@")
    if name.count("/") != 1:
        raise CheckpointError(
            f"A hub checkpoint is named 'hf://owner/name' or 'hf://owner/name@revision', got '{checkpoint}'."
        )
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=_CHECKPOINT_FILES))
    except Exception as error:  # the hub's client raises its own, httpx's and OSError alike
        raise CheckpointError(
            f"'{checkpoint}' could not be fetched ({_first_line(error)}). Check the name and the connection, or copy the "
            "checkpoint's folder to this machine and give its path."
        ) from None


def checkpoint_name(checkpoint: str | Path) -> str:
    """Returns the short name that titles show: 'octo-small-1.5', 'demo', or a folder's last two parts.

    >>> checkpoint_name("hf://rail-berkeley/octo-small-1.5"), checkpoint_name("runs/mine/ckpt")
    ('octo-small-1.5', 'mine/ckpt')
    """
    if str(checkpoint).startswith(_HUB):
        return str(checkpoint).rpartition("/")[2]
    return "demo" if str(checkpoint) == "demo" else "/".join(Path(checkpoint).expanduser().resolve().parts[-2:])


def find_tokenizer(name: str, checkpoint: Path) -> Path:
    """Returns the tokenizer.json of a text tokenizer: beside the checkpoint, else from the hub or its cache.

    Raises:
      CheckpointError: If it is in none of these places, saying which file to put where.
    """
    return _find_text_file(name, "tokenizer.json", checkpoint)


def find_text_encoder(name: str, checkpoint: Path) -> T5Config:
    """Returns the sizes of a text encoder: from beside the checkpoint, else of the published T5 of that name.

    Raises:
      CheckpointError: If the encoder is not known and has no config.json.
    """
    local = _beside(name, "config.json", checkpoint)
    if local is None and name in T5_CONFIGS:
        return T5_CONFIGS[name]
    config = read_json(local or _find_text_file(name, "config.json", checkpoint))
    try:
        return T5Config(**{field: config[field] for field in T5Config.__dataclass_fields__ if field in config})
    except TypeError as error:
        raise CheckpointError(f"The config.json of the text encoder '{name}' is not that of a T5 ({error}).") from None


def _find_text_file(name: str, filename: str, checkpoint: Path) -> Path:
    local = _beside(name, filename, checkpoint)
    if local is not None:
        return local
    try:
        return Path(hf_hub_download(name, filename))
    except Exception as error:  # as above; a name that is no repository raises ValueError
        raise CheckpointError(
            f"The policy reads words with '{name}', whose {filename} is not part of a checkpoint and could not be fetched "
            f"({_first_line(error)}). Put it at {checkpoint / name / filename}."
        ) from None


def _beside(name: str, filename: str, checkpoint: Path) -> Path | None:
    for folder in (checkpoint / name, checkpoint.parent / name, checkpoint):
        # The checkpoint's own config.json is the policy's, not the text encoder's.
        if (folder / filename).is_file() and not (folder == checkpoint and filename == "config.json"):
            return folder / filename
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
