"""One tiny policy and its episodes, opened once, and a count of what is run of a policy."""

import dataclasses

import numpy as np
import pytest

from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.octo_policy import OctoPolicy
from octoscope.studies.opening import Opened
from tiny_policies import head, images, tiny_episode, tiny_policy


@pytest.fixture(scope="session")
def opened(tmp_path_factory) -> Opened:
    model = tiny_policy(
        tmp_path_factory.mktemp("studied") / "policy",
        {"primary": images("image_primary"), "wrist": images("image_wrist")},
        cameras={"primary": (32, 32), "wrist": (32, 32)},
        heads={"action": head("DiffusionActionHead", hidden_dim=16, num_blocks=1, diffusion_steps=3)},
    )
    episodes = []
    for seed, words in enumerate(("push the ball", "push ball", "the ball")):
        masks = np.zeros((4, 32, 32), np.uint8)
        masks[:, 2:10, 18:30] = 1
        extras = {"mask_primary": masks, "target_id": np.ones(4, np.uint8)}
        episode = tiny_episode(("primary", "wrist"), instruction=words, seed=seed, **extras)
        episodes.append(dataclasses.replace(episode, name=f"tiny/{seed}"))
    return Opened(model, episodes)


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """What of the policy was run since the test began."""
    made: list[str] = []

    def counted(owner, name):
        run = getattr(owner, name)

        def count(*arguments, **named):
            made.append(f"{owner.__name__}.{name}")
            return run(*arguments, **named)

        monkeypatch.setattr(owner, name, count)

    for owner, names in (
        (OctoPolicy, ("act", "watch", "image_gradients", "attention_gradients", "moved_norms", "row_pass", "dropper")),
        (OctoModel, ("run_transformer", "sample_actions")),
    ):
        for name in names:
            counted(owner, name)
    return made
