from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from octoscope.episodes.episode import Episode

REAL_DATASET = Path(__file__).parents[2].parent / "shared" / "data" / "bridge_dataset" / "1.0.0"


@pytest.fixture(scope="session")
def real_dataset() -> Path:
    if not REAL_DATASET.exists():
        pytest.skip("needs the debug set of the Octo repository, which is not part of this one")
    return REAL_DATASET


@pytest.fixture
def make_episode() -> Callable[..., Episode]:
    """Makes an episode of noise: what it holds is told by the seed."""

    def make(seed: int = 0, *, steps: int = 3, instruction: str = "lift the cup", **changes: object) -> Episode:
        noise = np.random.default_rng(seed)
        fields = {
            "images": {
                "primary": noise.integers(0, 256, (steps, 6, 8, 3), np.uint8),
                "wrist": noise.integers(0, 256, (steps, 4, 4, 3), np.uint8),
            },
            "instruction": instruction,
            "actions": noise.normal(size=(steps, 7)).astype(np.float32),
            "name": "",
            "dataset": "",
            "extras": {
                "state": noise.normal(size=(steps, 2, 3)).astype(np.float32),
                "contact": noise.integers(-5, 5, steps, np.int32),
                "reward": np.zeros(steps, np.float32),
                "gripper/closed": np.arange(steps) > 1,
            },
        }
        return Episode(**(fields | changes))

    return make
