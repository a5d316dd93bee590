"""Episodes handed to whoever is free, and again to another where a worker died: the same loop whatever the workers are."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from octoscope.errors import Interrupted, OctoscopeError, OutputError

# How often an episode is begun that workers die of, or with.
TRIES = 3


@dataclass(frozen=True)
class Stage:
    """An episode's part of a work that comes in several: all episodes of the first are done before any of the second."""

    index: int
    # What is done now; the worker knows it.
    name: str
    # Where it finds what was learnt of all episodes before.
    known: str = ""


# What a worker is given: the index of an episode, or one part of its work.
Task = int | Stage


def episode_of(task: Task) -> int:
    """Returns the index of the episode that a task is of."""
    return task.index if isinstance(task, Stage) else task


@dataclass(frozen=True)
class Outcome:
    """What became of one episode."""

    index: int
    steps: int = 0
    # Name of the error and what it said; "" where the run is whole.
    error: str = ""
    sentence: str = ""
    # Whether no other episode would fare better: a full disk, say.
    hopeless: bool = False

    @property
    def whole(self) -> bool:
        """Whether there is a run."""
        return not self.error


@runtime_checkable
class Crew(Protocol):
    """Workers at numbered places."""

    @property
    def places(self) -> Sequence[int]:
        """Places whose workers live; one that died may be at its place anew."""
        ...

    def give(self, place: int, task: Task) -> None:
        """Gives an episode to a worker that is free."""
        ...

    def wait(self) -> tuple[int, Outcome | None]:
        """Returns which worker is done next, and with what; None where it died."""
        ...


def run_crew(crew: Crew, tasks: Sequence[Task], *, tries: int = TRIES) -> Iterator[Outcome]:
    """Yields what becomes of every episode, in the order in which they are done.

    An episode whose worker died is begun anew by any other, up to `tries` times: a run that was half made is gone on with.

    Args:
      crew: The workers.
      tasks: Indices of the episodes, or parts of their work.
      tries: How often each is begun.
    """
    waiting, busy, begun = deque(tasks), dict[int, Task](), Counter[Task]()
    while waiting or busy:
        free = [place for place in crew.places if place not in busy]
        if not busy and not free:
            for task in waiting:
                yield Outcome(episode_of(task), error="WorkerError", sentence="No worker is left.")
            return
        for place in free:
            if waiting:
                busy[place] = waiting.popleft()
                begun[busy[place]] += 1
                crew.give(place, busy[place])
        place, outcome = crew.wait()
        task = busy.pop(place)
        if outcome is not None:
            yield outcome
        elif begun[task] < tries:
            waiting.append(task)
        else:
            told = f"Its worker died in each of {tries} tries: too little memory, or killed from outside."
            yield Outcome(episode_of(task), error="WorkerError", sentence=told)


def outcome_of(index: int, work: Callable[[], int]) -> Outcome:
    """Does the work on an episode, and returns what became of it.

    Args:
      index: Of the episode.
      work: Does it, and returns how many steps were done.

    Raises:
      Interrupted: After Ctrl-C, when the step at hand was finished and kept.
    """
    try:
        return Outcome(index, work())
    except (Interrupted, KeyboardInterrupt):
        raise
    except OctoscopeError as error:
        return _failed(index, error, hopeless=_fills_the_disk(error))
    except OSError as error:
        return _failed(index, error, hopeless=True)
    # A fault of ours in one episode must not cost the others.
    except Exception as error:
        return _failed(index, error)


def _fills_the_disk(error: OctoscopeError) -> bool:
    """Returns whether the system refused to write; not where another process writes the same."""
    return isinstance(error, OutputError) and isinstance(error.__cause__, OSError)


def _failed(index: int, error: Exception, *, hopeless: bool = False) -> Outcome:
    return Outcome(index, error=type(error).__name__, sentence=str(error), hopeless=hopeless)
