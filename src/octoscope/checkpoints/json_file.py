"""A JSON file of a checkpoint."""

import json
from pathlib import Path
from typing import Any

from octoscope.errors import CheckpointError


def read_json(path: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
      CheckpointError: If the file is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"A checkpoint needs the file {path}, which is missing.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is no readable JSON ({error}). Copy it again from its source.") from None
