"""The crew of one: this very process."""

from collections.abc import Sequence
from typing import Any

from octoscope.studies.collecting.crew import Outcome, Task


class CrewOfOne:
    """Makes each episode when it is waited for."""

    def __init__(self, worker: Any) -> None:
        """Takes something with `make(task) -> Outcome`."""
        self._worker = worker
        self._task: Task = -1

    @property
    def places(self) -> Sequence[int]:
        """One."""
        return (0,)

    def give(self, place: int, task: Task) -> None:
        """Keeps an episode for `wait`."""
        self._task = task

    def wait(self) -> tuple[int, Outcome | None]:
        """Makes the episode."""
        return 0, self._worker.make(self._task)
