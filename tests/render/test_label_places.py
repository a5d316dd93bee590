import numpy as np
import pytest

from octoscope.render.label_places import label_places


def test_labels_with_room_stay_where_they_want():
    assert label_places([5.0, 50.0], gap=10.0, low=0.0, high=100.0) == [5.0, 50.0]


@pytest.mark.parametrize("seed", range(20))
def test_labels_keep_order_distance_and_bounds(seed: int):
    wanted = sorted(np.random.default_rng(seed).uniform(0, 300, 18).tolist())
    places = label_places(wanted, gap=15.0, low=0.0, high=300.0)
    assert np.diff(places).min() >= 15.0 - 1e-9
    assert places[0] >= 0.0
    assert places[-1] <= 300.0 + 1e-9


def test_colliding_labels_share_the_shift():
    assert label_places([49.0, 51.0], gap=10.0, low=0.0, high=100.0) == [45.0, 55.0]


def test_no_labels_need_no_places():
    assert label_places([], gap=10.0, low=0.0, high=100.0) == []
