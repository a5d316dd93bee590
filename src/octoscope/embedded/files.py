"""Where the policies, episodes and the small convolutional network inside the package lie.

"demo" is the trained policy of the simulated table-top and episodes of it. "drawn" is a smaller policy with random weights that takes words
and goal images, with episodes of flat shapes: for trying things in seconds, and for tests.
"""

from importlib.resources import files
from pathlib import Path

EMBEDDED = ("demo", "drawn")


def policy_directory(name: str = "demo") -> Path:
    """Returns the checkpoint folder of an embedded policy.

    Args:
      name: One of `EMBEDDED`.
    """
    return _folder(name) / "policy"


def episodes_directory(name: str = "demo") -> Path:
    """Returns the RLDS dataset of embedded episodes.

    Args:
      name: One of `EMBEDDED`.
    """
    return _folder(name) / "episodes"


def cnn_directory() -> Path:
    """Returns the folder of the small convolutional network's weights and card."""
    return _package() / "cnn"


def _folder(name: str) -> Path:
    return _package() if name == "demo" else _package() / name


def _package() -> Path:
    return Path(str(files("octoscope.embedded")))
