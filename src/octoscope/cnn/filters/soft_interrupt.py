"""Ctrl-C or SIGTERM as a wish: the work at hand finishes its step and keeps what it has; a second one stops at once."""

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
    """Gives what tells whether either came since; outside the main thread, where Python has no signals, it never is."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            # None where whoever listened was no Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupt.requested = True
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield interrupt
    finally:
        restore()
