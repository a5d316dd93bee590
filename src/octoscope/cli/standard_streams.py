"""Standard output and error that may be closed, full, or of few letters, without harm to the work at hand."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


class LastingStream:
    """A text stream that the work outlives: what its letters lack is escaped; once it fails, the rest is dropped and the reason kept."""

    def __init__(self, stream: Any) -> None:
        """Takes the stream that is written to."""
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Writes what can be written; returns the length of all of it."""
        if self.failure is None:
            encoding = self._stream.encoding or "utf-8"
            # `reconfigure` would be simpler, and would not do for streams that tests and notebooks put here.
            shown = text.encode(encoding, "backslashreplace").decode(encoding)
            try:
                self._stream.write(shown)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, unless there is nobody who reads."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        """Returns anything else of the stream."""
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        self.failure = error
        # What is still buffered would fail again when Python ends, with a traceback.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def lasting_streams() -> Iterator[LastingStream | None]:
    """Puts lasting streams in the place of standard output and error, and gives the first; None where there is none."""
    before = sys.stdout, sys.stderr
    output, error = (None if stream is None else LastingStream(stream) for stream in before)
    # A stream that was closed by the caller is None, and what is printed goes nowhere, as asked.
    sys.stdout, sys.stderr = output or before[0], error or before[1]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield output
    finally:
        for stream in (output, error):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
