"""Resizing against TensorFlow's lanczos3, on the pictures that come with the official program's fixtures."""

import numpy as np
import pytest

from octoscope.policies.octo.network.image_resize import resize_image
from official_files import SHARED

REFERENCE = SHARED / "fixtures" / "octo" / "k_resize" / "io.npz"


def test_same_size_is_returned_untouched():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(resize_image(image, (4, 4)), image)


def test_flat_picture_stays_flat():
    assert (resize_image(np.full((7, 9, 3), 200, np.uint8), (32, 16)) == 200).all()


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference pictures are not beside this checkout")
def test_equals_tensorflow_to_one_level():
    with np.load(REFERENCE) as file:
        cases = sorted({key.split("/")[0] for key in file.files if key.endswith("/in")})
        assert cases
        for case in cases:
            image, expected = file[f"{case}/in"], file[f"{case}/lanczos3_u8"]
            difference = np.abs(resize_image(image, expected.shape[:2]).astype(int) - expected)
            assert difference.max() <= 1
            assert (difference > 0).mean() < 5e-4
