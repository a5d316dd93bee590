"""Ctrl-C as a wish: the work at hand finishes its step and keeps what it has; a second Ctrl-C stops at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupt:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        """Starts without a wish."""
        self.requested = False


@contextlib.contextmanager
def soft_interrupt() -> Iterator[Interrupt]:
    """Gives what tells whether Ctrl-C was pressed since; outside the main thread, where Python has no signals, it never is."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.getsignal(signal.SIGINT)

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
