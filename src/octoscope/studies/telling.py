"""What a study says while it works: the command line prints it, Python is told nothing unless it asks."""

from collections.abc import Callable

# Takes lines of text, as `say` does.
Tell = Callable[..., object]


def silent(*lines: str) -> None:
    """Says nothing."""
