"""A policy with two cameras and words, and an episode with a masked object."""

import numpy as np
import pytest

from tiny_policies import head, images, tiny_episode, tiny_policy

CAMERAS = {"primary": (32, 48), "wrist": (32, 32)}


@pytest.fixture(autouse=True, scope="module")
def _to_the_last_digit(as_users_compile: None) -> None:
    """Two ways to one action are compared to 2e-5 here, which four denoising steps leave only to optimised programs."""


@pytest.fixture(scope="session")
def two_cameras(tmp_path_factory):
    return tiny_policy(
        tmp_path_factory.mktemp("interventions") / "policy",
        {"primary": images("image_primary"), "wrist": images("image_wrist")},
        cameras=CAMERAS,
        heads={"action": head("DiffusionActionHead", hidden_dim=16, num_blocks=1, diffusion_steps=4)},
    )


@pytest.fixture(scope="session")
def masked_episode():
    mask = np.zeros((4, 32, 48), np.uint8)
    mask[:, 4:12, 20:30] = 2
    episode = tiny_episode(("primary", "wrist"), size=(32, 48), mask_primary=mask, target_id=np.full(4, 2, np.uint8))
    wrist = episode.images["wrist"][:, :, :32]
    return type(episode)(**{**vars(episode), "images": {**episode.images, "wrist": wrist}})
