"""What was last read from a run."""

import numpy as np
import pytest

from octoscope.runs.recent_reads import RecentReads


def test_what_was_read_lately_is_not_read_again_and_old_things_go():
    asked: list[tuple[str, int]] = []

    def read(name: str, index: int) -> np.ndarray:
        asked.append((name, index))
        return np.full(10, index, np.uint8)

    reads = RecentReads(read, most_bytes=25)
    first = reads("frames", 0)
    reads("frames", 1)
    # Asked for again, the first one outlives the second.
    assert reads("frames", 0) is first
    reads("frames", 2)
    assert reads("frames", 0) is first
    assert asked == [("frames", 0), ("frames", 1), ("frames", 2)]
    reads("frames", 1)
    assert asked[-1] == ("frames", 1)


def test_what_is_too_large_is_never_kept():
    reads = RecentReads(lambda name, index: np.zeros(100, np.uint8), most_bytes=50)
    assert reads("attention", 0) is not reads("attention", 0)


def test_what_is_shared_cannot_be_changed():
    reads = RecentReads(lambda name, index: np.zeros(4))
    with pytest.raises(ValueError, match="read-only"):
        reads("mask", 0)[0] = 1
