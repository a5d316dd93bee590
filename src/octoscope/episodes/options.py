"""What a user can say about recordings where the files do not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from octoscope.errors import SelectionError, nearest

# "flip" reverses the rows of a frame; "180" its rows and columns.
Turn = Literal["none", "flip", "180"]


@dataclass(frozen=True)
class ReadOptions:
    """How the episodes at a path are to be read."""

    # The split; "train" where it exists, else the only one.
    split: str | None = None
    # Recorded image key by camera name; None for the known choice.
    cameras: Mapping[str, str] | None = None
    # Words for all episodes, instead of the recorded ones.
    task: str | None = None
    # For frames that are stored upside down, one of `Turn`.
    turn: str = "none"
    # For frames that were compressed with red and blue exchanged.
    swap_red_blue: bool = False

    def __post_init__(self) -> None:
        """Checks what the type cannot.

        Raises:
          SelectionError: If the turn is unknown or the task has no words.
        """
        if self.turn not in get_args(Turn):
            turns = ", ".join(get_args(Turn))
            raise SelectionError(
                f"`turn` must be one of {turns}, got '{self.turn}'.{nearest(self.turn, get_args(Turn))}"
            )
        if self.task is not None and not self.task.strip():
            raise SelectionError("`task` must have words, got none. Leave it out to take the recorded ones.")
