"""What differs in a notebook: progress is shown there unless told otherwise."""

import sys


def in_notebook() -> bool:
    """Returns whether this runs in a notebook's kernel."""
    # Not imported where nobody has: a kernel has it.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def shows_progress(progress: bool | None) -> bool:
    """Returns whether a progress bar is shown: as asked for, or in notebooks alone where nothing was said.

    >>> shows_progress(True), shows_progress(None)
    (True, False)
    """
    return in_notebook() if progress is None else progress
