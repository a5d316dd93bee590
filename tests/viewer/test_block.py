"""Blocks of arrays: what the page reads is what was packed; rounded weights differ by no more than is stated."""

import numpy as np
import pytest

from octoscope.viewer.block import WORST_ERROR, encode_rows, pack_block, unpack_block


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8", "int32"])
def test_arrays_come_back_bit_for_bit(dtype):
    arrays = {"weights": np.arange(30).reshape(2, 3, 5).astype(dtype), "even": np.ones((2, 5), np.float32)}
    told, read = unpack_block(pack_block({"first": 3, "text": "ä"}, arrays))
    assert told == {"first": 3, "text": "ä"}
    assert read["weights"].dtype == dtype
    np.testing.assert_array_equal(read["weights"], arrays["weights"])
    np.testing.assert_array_equal(read["even"], arrays["even"])


def test_parts_begin_at_multiples_of_eight():
    block = pack_block({"a": "x"}, {"first": np.ones(3, np.uint8), "second": np.ones(3, np.float32)})
    length = int.from_bytes(block[:4], "little")
    assert (4 + length) % 8 == 0
    assert len(block) % 8 == 0


@pytest.mark.parametrize("size", [1, 7, 690])
def test_rounded_weights_are_as_near_as_the_file_says(size):
    weights = np.random.default_rng(size).exponential(size=(4, 3, size)) ** 4
    weights[0, 0] = 0.0
    _, read = unpack_block(pack_block({}, {"weights": weights}, coded=("weights",)))
    largest = weights.max(axis=-1, keepdims=True)
    assert (np.abs(read["weights"] - weights) <= WORST_ERROR * largest * (1 + 1e-5)).all()
    # Zero and the largest itself are exact, up to float32.
    assert (read["weights"][weights == 0] == 0).all()
    np.testing.assert_allclose(read["weights"].max(axis=-1), weights.max(axis=-1), rtol=1e-6)


def test_the_stated_error_is_reached_and_no_looser():
    value = (254.5 / 255) ** 2
    _, codes = encode_rows(np.array([1.0, value + 1e-9]))
    wrong = abs((codes[1] / 255.0) ** 2 - value)
    assert 0.99 * WORST_ERROR < wrong <= WORST_ERROR
    assert round(100 * WORST_ERROR, 2) == 0.39
