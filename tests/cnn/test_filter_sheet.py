"""The sheet of filter pictures, where one ended below what it began from."""

import numpy as np
from small_networks import small_network

from octoscope.cnn.filters.filter_picture import FilterPicture
from octoscope.cnn.filters.filter_results import LayerFilters, filter_sheet
from octoscope.cnn.filters.maximization_settings import CLEAR
from octoscope.cnn.networks.network import find_layer
from octoscope.cnn.networks.objectives import mean_of
from octoscope.render.sheet import Sheet


def sheet_with(shown_score: float) -> Sheet:
    network = small_network()
    levels = np.full((16, 16, 3), 99, np.float32)
    picture = FilterPicture(mean_of(1), levels, 0.5, 2.0, shown_score, 1.0, dead=False, steps=1)
    found = [LayerFilters(find_layer(network, "conv1"), [picture])]
    return filter_sheet(network, found, settings=CLEAR)


def test_a_picture_that_is_shown_lower_than_it_began_is_named_in_a_line_of_its_own():
    lower, higher = sheet_with(0.25), sheet_with(0.75)
    assert any("1 of 1 are shown no higher than what they began from" in line for line in lower.subtitle)
    assert not any("no higher" in line for line in higher.subtitle)
    assert lower.tiles()[0].note == "0.5 to 2 (0.25)"
