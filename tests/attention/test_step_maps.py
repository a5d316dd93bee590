"""Maps of many steps measured at once: the numbers of the plain formulas, map by map, in double precision."""

import numpy as np
import pytest

from octoscope.attention.map_measures import center_of_mass, map_spread
from octoscope.attention.step_maps import StepMaps, patch_centers

GRIDS = [(1, 5), (4, 1), (3, 5)]


def drawn(grid):
    weights = np.random.default_rng(3).exponential(size=(4, 2, 3, *grid)).astype(np.float32) * 1e-3
    # Nearly all on one patch, where a difference of two large numbers would lose the spread; and none at all.
    weights[1, 0, 0] = 1e-6
    weights[1, 0, 0, 0, 0] = 0.9
    weights[2, 1, 2] = 0.0
    return weights


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("box", [(0.0, 0.0, 3.0, 5.0), (-8.0, 100.0, 232.0, 740.0)])
def test_places_and_spread_are_those_of_each_map(grid, box):
    weights, places = drawn(grid), patch_centers(grid, box)
    maps = StepMaps.of(weights.reshape(4, 2, 3, -1), grid)
    exact = weights.astype(np.float64)
    np.testing.assert_allclose(maps.centers(places), center_of_mass(exact, places), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(maps.spread(places), map_spread(exact, places), rtol=1e-5, atol=1e-6)
    assert np.isnan(maps.spread(places)[2, 1, 2])


@pytest.mark.parametrize("grid", GRIDS)
def test_change_and_likeness_are_those_of_each_pair_of_maps(grid):
    weights = drawn(grid).reshape(4, 2, 3, -1)
    maps, exact = StepMaps.of(weights, grid), weights.astype(np.float64)
    with np.errstate(invalid="ignore"):
        parts = exact / exact.sum(axis=-1, keepdims=True)
        mean = exact.mean(axis=0)
        moved = 0.5 * np.abs(parts[1:] - parts[:-1]).sum(axis=-1).mean(axis=0)
        deviation = 0.5 * np.abs(parts - mean / mean.sum(axis=-1, keepdims=True)).sum(axis=-1)
        lengths = np.linalg.norm(exact, axis=-1) * np.linalg.norm(mean, axis=-1)
        template = ((exact * mean).sum(axis=-1) / lengths).mean(axis=0)
    np.testing.assert_allclose(maps.moved([1, 2, 3]), moved, rtol=1e-5)
    np.testing.assert_allclose(maps.deviation(), deviation, rtol=1e-5)
    np.testing.assert_allclose(maps.template(), template, rtol=1e-5)
