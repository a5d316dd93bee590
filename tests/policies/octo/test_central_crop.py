"""The central crop against the official wrapper's output, and its place on the frame."""

import numpy as np
import pytest

from octoscope.policies.octo.network.central_crop import central_crop, central_crop_transform
from official_files import SHARED, nested

REFERENCE = SHARED / "fixtures" / "octo" / "k_resize" / "io.npz"


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the official fixtures are not here")
def test_the_crop_equals_that_of_the_official_wrapper():
    with np.load(REFERENCE) as file:
        cases = nested({key: file[key] for key in file.files if "/" in key}, "")
    assert len(cases) == 4
    for name, case in cases.items():
        expected = case["wrapper_primary_u8"]
        cropped = central_crop(case["in"], expected.shape[:2])
        different = cropped != expected
        # Two floats on either side of a half round to neighbours.
        assert np.abs(cropped.astype(int) - expected).max() <= 1, name
        assert different.mean() < 1e-3, name


def test_a_bright_spot_is_found_where_the_transform_says():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[60:64, 100:104] = 255
    cropped = central_crop(frame, (256, 256)).astype(float).sum(axis=-1)
    rows, columns = np.mgrid[0:256, 0:256] + 0.5
    found = [(axis * cropped).sum() / cropped.sum() for axis in (rows, columns)]
    transform = central_crop_transform((96, 128), (256, 256))
    top, left, *_ = transform.to_recorded((found[0], found[1], found[0], found[1]))
    assert (top, left) == pytest.approx((62.0, 102.0), abs=0.02)
