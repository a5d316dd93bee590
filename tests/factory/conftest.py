"""What needs the simulator is skipped where it cannot draw."""

import pytest

from factory.tabletop.renderer import SimulatorError, TabletopRenderer


@pytest.fixture(scope="module")
def renderer():
    try:
        opened = TabletopRenderer(samples=0)
    except SimulatorError as error:
        pytest.skip(str(error))
    with opened:
        yield opened
