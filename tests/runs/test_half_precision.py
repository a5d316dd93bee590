"""Every half is the same number in single precision."""

import numpy as np
import pytest

from octoscope.runs import half_precision
from octoscope.runs.half_precision import to_single

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)


@pytest.mark.parametrize("rows", [slice(0, 124), slice(124, 128), slice(128, 256), slice(None)], ids=str)
def test_every_half(rows):
    np.testing.assert_array_equal(to_single(EVERY[rows]), EVERY[rows].astype(np.float32))


def test_views_and_other_numbers():
    np.testing.assert_array_equal(to_single(EVERY[:124, ::3]), EVERY[:124, ::3].astype(np.float32))
    np.testing.assert_array_equal(to_single(EVERY[3]), EVERY[3].astype(np.float32))
    assert to_single(np.ones((2, 2))).dtype == np.float32
    assert to_single(np.zeros((0, 3), np.float16)).shape == (0, 3)


def test_a_processor_that_drops_small_numbers_is_noticed(monkeypatch):
    def dropping(codes, singles):
        singles[...] = 0

    monkeypatch.setattr(half_precision, "_widen", dropping)
    np.testing.assert_array_equal(to_single(EVERY[:8]), EVERY[:8].astype(np.float32))
