"""A JSON file of a checkpoint."""

import json
from pathlib import Path
from typing import Any

from octoscope.errors import CheckpointError


def read_json(path: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
      CheckpointError: If the file is missing, cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"A checkpoint needs the file {path}, which is missing.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    except RecursionError:
        raise CheckpointError(f"{path} is nested too deep to be read. Copy it again from its source.") from None
    # Besides broken syntax: bytes that are no UTF-8, and numbers of more digits than Python reads.
    except ValueError as error:
        raise CheckpointError(f"{path} is no readable JSON ({error}). Copy it again from its source.") from None
