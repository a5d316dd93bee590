"""Files written beside the drawing: packing a picture leaves the interpreter free, so a second core can do it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any


class BackgroundWriter:
    """Calls that are made in another thread, in order; the block ends when all are done.

    >>> done = []
    >>> with BackgroundWriter() as writer:
    ...     for step in range(3):
    ...         writer.submit(done.append, step)
    >>> done
    [0, 1, 2]
    """

    def __init__(self, *, most_waiting: int = 4) -> None:
        """Starts the thread.

        Args:
          most_waiting: So many calls may be under way; the next one waits, so that pictures do not pile up in memory.
        """
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[Any]] = deque()
        self._most_waiting = most_waiting

    def submit(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Makes a call soon.

        Raises:
          Exception: That an earlier call raised.
        """
        while len(self._waiting) >= self._most_waiting:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(call, *arguments))

    def __enter__(self) -> "BackgroundWriter":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits for what is under way; raises what a call raised, unless the block itself did."""
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for call in self._waiting:
                call.result()
