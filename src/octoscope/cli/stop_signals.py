"""Ctrl-C, and what else asks a program to stop, from the first import to the last line."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

INTERRUPTED = 130
_SENTENCE = "octoscope: interrupted; nothing was left behind."


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """While modules are imported, leaves the program at the first signal: imports swallow exceptions, or show where they were."""
    with _handled(signal.SIGINT, _leave), _handled(signal.SIGTERM, _leave), _handled(_HANGUP, _leave):
        yield


@contextlib.contextmanager
def stopping_alike() -> Iterator[None]:
    """Treats a wish to end (SIGTERM) and a terminal that goes away (SIGHUP) like Ctrl-C, whatever handles that at the time."""
    with _handled(signal.SIGTERM, _as_ctrl_c), _handled(_HANGUP, _as_ctrl_c):
        yield


# Windows has none; SIGTERM then stands for both.
_HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{_SENTENCE}\n".encode())
    # Not sys.exit: an exception may be swallowed by whoever imports. Nothing is open yet.
    os._exit(INTERRUPTED)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    # Jobs in the background ignore Ctrl-C, but not this.
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


@contextlib.contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handles a signal in the block, unless it is ignored (`nohup`, jobs in the background) or this is not the main thread."""
    before = signal.getsignal(number)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        # Whoever handles it inside puts this handler back before.
        signal.signal(number, before)
