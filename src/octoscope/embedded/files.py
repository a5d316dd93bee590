"""Where the policies, episodes and the small convolutional network inside the package lie.

"demo" is the trained policy of the simulated table-top, an Octo, and episodes of it. "demo-act" is a trained ACT of the same table-top,
which takes no words and picks up the red object, with episodes of its own. In a checkout of the repository there is "drawn" too: a smaller
Octo with random weights that takes words and goal images, with episodes of flat shapes, for tests.
"""

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("octoscope.embedded")))
# Beside the package in a checkout, and nowhere in a wheel.
_DRAWN = _PACKAGE.parents[2] / "factory" / "drawn"
# Of each policy and its episodes by their name.
_FOLDERS = {"demo": _PACKAGE, "demo-act": _PACKAGE / "act"} | ({"drawn": _DRAWN} if _DRAWN.is_dir() else {})
EMBEDDED = tuple(_FOLDERS)


def policy_directory(name: str = "demo") -> Path:
    """Returns the folder of an embedded policy.

    Args:
      name: One of `EMBEDDED`.
    """
    return _FOLDERS[name] / "policy"


def episodes_directory(name: str = "demo") -> Path:
    """Returns the RLDS dataset of embedded episodes.

    Args:
      name: One of `EMBEDDED`.
    """
    return _FOLDERS[name] / "episodes"


def cnn_directory() -> Path:
    """Returns the folder of the small convolutional network's weights and card."""
    return _PACKAGE / "cnn"
