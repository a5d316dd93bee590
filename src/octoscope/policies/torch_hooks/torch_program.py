"""What the hooks need of a policy in PyTorch: a module, how it is run on inputs, and what its tokens are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from octoscope.array_typing import Bool, UInt8
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyCard, PolicyNeeds
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class HookedTokens:
    """What every token is, and where the attention of each stack is computed."""

    layout: TokenLayout
    # By stack, the module of each of its layers: "encoder.layers.0.self_attn".
    sites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # True where a token is masked out as a key; None for nowhere.
    pad: Bool[np.ndarray, " token"] | None = None


@runtime_checkable
class TorchProgram(Protocol):
    """A policy in PyTorch as it is; `HookedPolicy` makes a `PolicyModel` of it."""

    @property
    def module(self) -> torch.nn.Module:
        """What is watched."""
        ...

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        ...

    @property
    def needs(self) -> PolicyNeeds:
        """What it takes."""
        ...

    def digest(self) -> str:
        """Returns the SHA-256 of its parameters."""
        ...

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns a frame as the policy is given it."""
        ...

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns what its actions are."""
        ...

    def tokens(self, inputs: PolicyInputs) -> HookedTokens:
        """Returns what every token is for these inputs."""
        ...

    def run(self, inputs: PolicyInputs, noise: Noise) -> torch.Tensor:
        """Returns the normalised actions (horizon, dim) of one forward; the same noise gives the same actions."""
        ...
