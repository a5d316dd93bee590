"""Episodes handed to whoever is free, and again to another where a worker died: the same loop whatever the workers are."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

# How often an episode is begun that workers die of, or with.
TRIES = 3


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

    def give(self, place: int, index: int) -> None:
        """Gives an episode to a worker that is free."""
        ...

    def wait(self) -> tuple[int, Outcome | None]:
        """Returns which worker is done next, and with what; None where it died."""
        ...


def run_crew(crew: Crew, indices: Sequence[int], *, tries: int = TRIES) -> Iterator[Outcome]:
    """Yields what becomes of every episode, in the order in which they are done.

    An episode whose worker died is begun anew by any other, up to `tries` times: a run that was half made is gone on with.

    Args:
      crew: The workers.
      indices: Of the episodes.
      tries: How often each is begun.
    """
    waiting, busy, begun = deque(indices), dict[int, int](), Counter[int]()
    while waiting or busy:
        free = [place for place in crew.places if place not in busy]
        if not busy and not free:
            for index in waiting:
                yield Outcome(index, error="WorkerError", sentence="No worker is left.")
            return
        for place in free:
            if waiting:
                busy[place] = waiting.popleft()
                begun[busy[place]] += 1
                crew.give(place, busy[place])
        place, outcome = crew.wait()
        index = busy.pop(place)
        if outcome is not None:
            yield outcome
        elif begun[index] < tries:
            waiting.append(index)
        else:
            told = f"Its worker died in each of {tries} tries: too little memory, or killed from outside."
            yield Outcome(index, error="WorkerError", sentence=told)
