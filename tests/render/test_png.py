"""PNG bytes, read back by another program."""

import io

import numpy as np
import pytest
from PIL import Image

from octoscope.render.png import png_bytes


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (33, 50)])
def test_pillow_reads_back_every_pixel(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    with Image.open(io.BytesIO(png_bytes(image))) as opened:
        opened.verify()
    with Image.open(io.BytesIO(png_bytes(image))) as opened:
        assert opened.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(opened), image)


def test_a_part_of_a_larger_picture_is_written_as_it_looks():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)[3:17:2, ::-1]
    with Image.open(io.BytesIO(png_bytes(image))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), image)
