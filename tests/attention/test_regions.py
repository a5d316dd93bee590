import numpy as np
import pytest

from octoscope.attention.maps import AttentionMap
from octoscope.attention.regions import patch_coverage, share_on_region


def _map(weights: np.ndarray) -> AttentionMap:
    frame = np.zeros((8, 8, 3), np.uint8)
    valid = np.ones(weights.shape[1:], bool)
    return AttentionMap("primary", "obs_primary", (), 0, 0, frame, weights, valid, (0.0, 0.0, 8.0, 8.0), False)


def test_a_region_that_is_one_patch_takes_that_patch_alone():
    region = np.zeros((8, 8), bool)
    region[4:, :4] = True
    weights = np.array([[[0.1, 0.2], [0.3, 0.05]], [[0.0, 0.0], [0.6, 0.0]]])
    assert share_on_region(_map(weights), region) == pytest.approx([0.3, 0.6])


def test_uniform_attention_gives_a_region_what_it_covers():
    rng = np.random.default_rng(0)
    region = rng.random((8, 8)) < 0.3
    weights = np.full((1, 4, 4), 0.5 / 16)
    assert share_on_region(_map(weights), region)[0] == pytest.approx(0.5 * region.mean())


def test_pixels_outside_the_grid_do_not_count():
    region = np.ones((4, 6), bool)
    coverage = patch_coverage(region, box=(0.0, 1.0, 4.0, 5.0), grid=(2, 2))
    assert (coverage == 1.0).all()
    region[:, 1:5] = False
    assert (patch_coverage(region, box=(0.0, 1.0, 4.0, 5.0), grid=(2, 2)) == 0.0).all()


def test_a_grid_that_reaches_beyond_the_frame_keeps_its_empty_patches_at_zero():
    coverage = patch_coverage(np.ones((4, 4), bool), box=(0.0, 0.0, 8.0, 4.0), grid=(2, 1))
    assert coverage.tolist() == [[1.0], [0.0]]
