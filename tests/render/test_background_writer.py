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
    gate, ended = threading.Event(), []

    def call(step: int) -> None:
        gate.wait()
        ended.append(step)

    with BackgroundWriter(most_waiting=2) as writer:
        writer.submit(call, 0)
        writer.submit(call, 1)
        threading.Timer(0.05, gate.set).start()
        writer.submit(call, 2)
        # Not how long it took: on a busy machine the gate may be open before anybody looks at the clock.
        assert ended[:1] == [0]
    assert ended == [0, 1, 2]


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
