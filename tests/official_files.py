"""Where the official program's fixtures lie, and how their arrays nest."""

from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
# Official-format checkpoint with the official program's inputs, outputs and attention, small enough to live here.
OFFICIAL = Path(__file__).parent / "official"


def nested(arrays, prefix: str) -> dict:
    """Returns the arrays below a prefix as nested dicts."""
    tree: dict = {}
    for key in arrays:
        if key.startswith(prefix):
            *parents, leaf = key.removeprefix(prefix).split("/")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[leaf] = arrays[key]
    return tree
