"""A tiny policy of each family of LeRobot that is read without torch, and episodes that each can act on."""

from pathlib import Path

import numpy as np

from octoscope.episodes.episode import Episode
from policies.act_fixture import unpacked_act
from policies.diffusion_fixture import unpacked
from policies.drawn_flow import drawn_policy

FLOW = ("smolvla", "pi0", "pi05")
FAMILIES = ("act", "diffusion", *FLOW)
# Frames whose cells lie partly on padding where a policy pads; ACT and Diffusion Policy take theirs alone.
SIZES = {"act": (96, 128), "diffusion": (96, 96), **dict.fromkeys(FLOW, (12, 32))}
NUMBERS = {"act": 6, "diffusion": 3, **dict.fromkeys(FLOW, 3)}


def written_policy(folder: Path, family: str) -> Path:
    """Writes the folder of a policy as LeRobot lays it out."""
    if family == "act":
        return unpacked_act(folder)
    return unpacked(folder, "ddpm") if family == "diffusion" else drawn_policy(folder, family)


def family_episodes(family: str, count: int = 2, steps: int = 2) -> list[Episode]:
    """Returns episodes of noise with the cameras and numbers that the policy of a family takes."""
    rng = np.random.default_rng(3)
    words = ("pick up the red ball", "lift the blue cube", "push the green ball")
    cameras = ("top",) if family == "diffusion" else ("top", "wrist")
    episodes = []
    for at in range(count):
        images = {name: rng.integers(0, 256, (steps, *SIZES[family], 3), dtype=np.uint8) for name in cameras}
        state = rng.normal(size=(steps, NUMBERS[family])).astype(np.float32)
        actions = rng.normal(size=(steps, 6)).astype(np.float32)
        episodes.append(Episode(images, words[at % 3], actions, f"made/{at}", "made", extras={"state": state}))
    return episodes
