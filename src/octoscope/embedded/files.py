"""Where the demo policy and the demo episodes lie."""

from importlib.resources import files
from pathlib import Path


def policy_directory() -> Path:
    """Returns the checkpoint folder of the demo policy."""
    return Path(str(files("octoscope.embedded"))) / "policy"


def episodes_directory() -> Path:
    """Returns the RLDS dataset of the demo episodes."""
    return Path(str(files("octoscope.embedded"))) / "episodes"
