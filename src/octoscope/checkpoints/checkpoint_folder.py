"""The local folder of a checkpoint: a path, 'hf://owner/name' fetched from the model hub, or one inside the package by its name."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import snapshot_download

from octoscope.checkpoints.hub import fetch
from octoscope.embedded import files as embedded
from octoscope.errors import CheckpointError
from octoscope.user_path import user_path

_HUB = "hf://"


def checkpoint_folder(checkpoint: str | Path, *, files: Sequence[str]) -> Path:
    """Returns the folder, fetched from the hub when the checkpoint is named 'hf://owner/name' or 'hf://owner/name@revision'.

    Args:
      checkpoint: A path, a name of the hub, or that of an embedded policy ('demo'; a folder of that name is './demo').
      files: Patterns of the files to fetch from the hub.

    Raises:
      CheckpointError: If the hub cannot be reached and its local cache does not hold the checkpoint.
    """
    if str(checkpoint) in embedded.EMBEDDED:
        return embedded.policy_directory(str(checkpoint))
    if not str(checkpoint).startswith(_HUB):
        return user_path(checkpoint).resolve()
    name, _, revision = str(checkpoint).removeprefix(_HUB).partition("@")
    if name.count("/") != 1:
        raise CheckpointError(
            f"A hub checkpoint is named 'hf://owner/name' or 'hf://owner/name@revision', got '{checkpoint}'."
        )
    try:
        return fetch(snapshot_download, name, revision=revision or None, allow_patterns=list(files))
    except Exception as error:  # the hub's client raises its own, httpx's and OSError alike
        raise CheckpointError(
            f"'{checkpoint}' could not be fetched ({first_line(error)}). Check the name and the connection, or copy the "
            "checkpoint's folder to this machine and give its path."
        ) from None


def folder_name(checkpoint: str | Path) -> str:
    """Returns the short name that titles show: that of the hub without its owner, an embedded policy's, or a folder's last two parts.

    >>> folder_name("hf://rail-berkeley/octo-small-1.5"), folder_name("demo"), folder_name("runs/mine/ckpt")
    ('octo-small-1.5', 'demo', 'mine/ckpt')
    """
    if str(checkpoint) in embedded.EMBEDDED:
        return str(checkpoint)
    if str(checkpoint).startswith(_HUB):
        return str(checkpoint).rpartition("/")[2]
    return "/".join(user_path(checkpoint).resolve().parts[-2:])


def first_line(error: Exception) -> str:
    """Returns an error's kind and the first line of what it says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
