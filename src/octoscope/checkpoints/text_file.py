"""Files of the text model that a policy reads words with, which are no part of its checkpoint."""

from pathlib import Path

from huggingface_hub import hf_hub_download

from octoscope.checkpoints.checkpoint_folder import first_line
from octoscope.checkpoints.hub import fetch
from octoscope.errors import CheckpointError


def find_text_file(name: str, filename: str, checkpoint: Path) -> Path:
    """Returns a file of a text model: beside the checkpoint, else from the hub or its cache.

    Args:
      name: The text model's name on the hub.
      filename: The file of it.
      checkpoint: The folder of the policy that reads words with it.

    Raises:
      CheckpointError: If it is in none of these places, saying which file to put where.
    """
    local = beside(name, filename, checkpoint)
    if local is not None:
        return local
    try:
        return fetch(hf_hub_download, name, filename)
    except Exception as error:  # the hub's client raises its own, httpx's and OSError alike; a name that is no repository raises ValueError
        hint = ""
        if filename == "tokenizer.json" and beside(name, "spiece.model", checkpoint) is not None:
            hint = " The spiece.model there is not enough: octoscope reads the same vocabulary from tokenizer.json."
        raise CheckpointError(
            f"The policy reads words with '{name}', whose {filename} is not part of a checkpoint and could not be fetched "
            f"({first_line(error)}). Put it at {checkpoint / name / filename}.{hint} With a connection, "
            f"`hf download {name} {filename} --local-dir {checkpoint / name}` fetches it; another tokenizer's would give other "
            "word pieces, so none is taken in its place."
        ) from None


def beside(name: str, filename: str, checkpoint: Path) -> Path | None:
    """Returns a file of a text model where it lies in or next to a checkpoint's folder, or None."""
    for folder in (checkpoint / name, checkpoint.parent / name, checkpoint):
        # The checkpoint's own config.json is the policy's, not the text encoder's.
        if (folder / filename).is_file() and not (folder == checkpoint and filename == "config.json"):
            return folder / filename
    return None
