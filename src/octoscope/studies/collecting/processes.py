"""Workers in processes of this machine, each with the policy loaded once and on cores of its own."""

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from octoscope.errors import Interrupted
from octoscope.studies.collecting.crew import Outcome, Task


class ProcessCrew:
    """As many processes as asked for; one that dies is begun anew."""

    def __init__(self, open_worker: Callable[[], Any], *, size: int, cores: int) -> None:
        """Begins the processes.

        Args:
          open_worker: Gives something with `make(task) -> Outcome`; it is called in each process, and may be pickled.
          size: Processes.
          cores: Of each.
        """
        # A fork of a process in which jax runs may stand still for ever.
        self._context = multiprocessing.get_context("spawn")
        self._open_worker, self._cores = open_worker, cores
        self._workers = {place: self._begin() for place in range(size)}

    def __enter__(self) -> "ProcessCrew":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the processes: after Ctrl-C each with the step at hand, after an error at once; what is written is kept."""
        for process, line in self._workers.values():
            line.close()
            # Ctrl-C went to all of them already.
            if kind is not None and not issubclass(kind, KeyboardInterrupt | Interrupted):
                process.terminate()
        for process, _ in self._workers.values():
            process.join()

    @property
    def places(self) -> Sequence[int]:
        """All of them: who dies is begun anew."""
        return tuple(self._workers)

    def give(self, place: int, task: Task) -> None:
        """Gives an episode to a process that is free."""
        # One that has died meanwhile is told by `wait`.
        with contextlib.suppress(OSError):
            self._workers[place][1].send(task)

    def wait(self) -> tuple[int, Outcome | None]:
        """Returns which process is done next, and with what; None where it died."""
        lines = {line: place for place, (_, line) in self._workers.items()}
        (first, *_) = wait(list(lines))
        place = lines[first]  # pyright: ignore[reportArgumentType]  # one of those that were given
        try:
            return place, self._workers[place][1].recv()
        except (EOFError, OSError):
            self._workers[place][0].join()
            self._workers[place] = self._begin()
            return place, None

    def _begin(self) -> tuple[Any, Any]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._open_worker, self._cores), daemon=True)
        process.start()
        # Ours alone tells when theirs is gone.
        theirs.close()
        return process, ours


def _work(line: Connection, open_worker: Callable[[], Any], cores: int) -> None:
    """Makes one episode after another, until nobody asks any more."""
    # Not above: cores are chosen before anything counts them.
    from octoscope.studies.collecting.cores import claim_cores

    claim_cores(cores)
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError):
        worker = open_worker()
        while True:
            outcome = _made(worker, line.recv())
            if outcome is None:
                return
            line.send(outcome)


def _made(worker: Any, task: Task) -> Outcome | None:
    try:
        return worker.make(task)
    except Interrupted:
        return None
