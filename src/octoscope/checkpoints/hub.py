"""Files of the model hub: from it where it answers, else from its local cache, without waiting for a network that is not there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.utils import get_session

# Of a connection; the hub's own client tries five times, for most of a minute.
_SECONDS = 5.0


def fetch(download: Callable[..., str], *names: str, **options: Any) -> Path:
    """Returns where `hf_hub_download` or `snapshot_download` has put what it was asked for.

    Args:
      download: One of the two.
      names: Its positional arguments.
      options: Its named ones.

    Raises:
      ConnectionError: If the hub does not answer, and its local cache lacks what is wanted.
      Exception: What the hub's client raises where the hub does answer.
    """
    silence = _why_silent()
    try:
        return Path(download(*names, local_files_only=silence is not None, **options))
    except Exception as error:
        if silence is None:
            raise
        raise ConnectionError(f"{constants.ENDPOINT} does not answer: {silence}") from error


def _why_silent() -> str | None:
    """Returns why the hub does not answer; None where it does, whatever it says."""
    try:
        get_session().head(constants.ENDPOINT, timeout=_SECONDS)
    except Exception as error:  # httpx's, OSError, and the hub's own where it was told to stay offline
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None
