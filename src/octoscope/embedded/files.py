"""Where the policies, episodes and the small convolutional network inside the package lie.

"demo" is the trained policy of the simulated table-top, an Octo, and episodes of it. "demo-act" is a trained ACT of the same table-top,
which takes no words and picks up the red object, with episodes of its own. "drawn" is a smaller Octo with random weights that takes words
and goal images, with episodes of flat shapes: for trying things in seconds, and for tests.
"""

from importlib.resources import files
from pathlib import Path

# Of each policy and its episodes by their name, below the package.
_FOLDERS = {"demo": "", "demo-act": "act", "drawn": "drawn"}
EMBEDDED = tuple(_FOLDERS)


def policy_directory(name: str = "demo") -> Path:
    """Returns the folder of an embedded policy.

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
    return _package() / _FOLDERS[name]


def _package() -> Path:
    return Path(str(files("octoscope.embedded")))
