"""Ctrl-C, and SIGTERM by which schedulers end a job, that let the step at hand be finished."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class StopAfterStep:
    """While it is entered, the first Ctrl-C or SIGTERM is only noted in `requested`; the second stops at once, as ever.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """

    def __init__(self, on_request: Callable[[], None] | None = None) -> None:
        """Takes what to do when that comes."""
        self.requested = False
        self._on_request = on_request
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopAfterStep":
        """Listens for both."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Puts back whoever listened before."""
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        if self._on_request is not None:
            self._on_request()

    def _restore(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            # None where whoever listened was no Python.
            signal.signal(number, signal.SIG_DFL if before is None else before)
