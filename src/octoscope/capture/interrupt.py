"""Ctrl-C that lets the step at hand be finished."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class StopAfterStep:
    """While it is entered, the first Ctrl-C is only noted in `requested`; the second stops at once, as ever.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """

    def __init__(self, on_request: Callable[[], None] | None = None) -> None:
        """Takes what to do when Ctrl-C is pressed."""
        self.requested = False
        self._on_request = on_request
        self._before: Any = None

    def __enter__(self) -> "StopAfterStep":
        """Listens for Ctrl-C."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
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
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
