"""What tests share: the embedded policy, an episode, and a run of both."""

import pytest

import octoscope as osc


@pytest.fixture(scope="session")
def demo_model() -> "osc.OctoModel":
    return osc.OctoModel.load_pretrained("drawn")


@pytest.fixture(scope="session")
def demo_episode() -> "osc.Episode":
    return osc.open_episodes("drawn")[0]


@pytest.fixture(scope="session")
def demo_run(demo_model, demo_episode) -> "osc.Run":
    return osc.attend(demo_model, demo_episode, steps=[0, 1, 5], dtype="float32")
