"""Calls made in another thread."""

import threading
import time

import pytest

from octoscope.render.background_writer import BackgroundWriter


def test_calls_are_made_in_order_and_all_of_them():
    done: list[int] = []
    with BackgroundWriter(most_waiting=2) as writer:
        for step in range(20):
            writer.submit(done.append, step)
    assert done == list(range(20))


def test_no_more_than_a_few_calls_wait():
    gate, begun = threading.Event(), []

    def slow(step: int) -> None:
        begun.append(step)
        gate.wait(5)

    with BackgroundWriter(most_waiting=2) as writer:
        writer.submit(slow, 0)
        writer.submit(slow, 1)
        threading.Timer(0.05, gate.set).start()
        start = time.monotonic()
        writer.submit(slow, 2)
        assert time.monotonic() - start > 0.02
    assert begun == [0, 1, 2]


def test_what_a_call_raises_is_raised_at_the_end_or_before():
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundWriter() as writer:
        writer.submit(fail)
    with pytest.raises(OSError, match="disk full"), BackgroundWriter(most_waiting=1) as writer:
        writer.submit(fail)
        writer.submit(fail)


def test_the_blocks_own_error_comes_first():
    with pytest.raises(ValueError, match="stop"), BackgroundWriter() as writer:
        writer.submit(time.sleep, 0)
        raise ValueError("stop")
