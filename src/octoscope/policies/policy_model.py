"""The door that every policy comes through: what it must say and do; `abilities.py` holds what it may be able to do besides.

A policy is anything with these members; nothing has to be inherited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from octoscope.array_typing import Bool, Float, Float32, UInt8
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True)
class PolicyCard:
    """What a policy is, for titles, manifests and provenance."""

    # Short, for titles.
    name: str
    # "octo", "act", "toy".
    family: str
    # What computes it ("jax"), its version, and the kind of device.
    framework: str
    framework_version: str
    device: str
    # What every picture must say about it; "" for most.
    note: str = ""
    # Training step of the parameters; None where nobody says.
    step: int | None = None
    # Whatever else the family knows, in plain values that go into JSON.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PolicyNeeds:
    """What a policy takes."""

    # By camera, the height and width that it sees.
    cameras: Mapping[str, tuple[int, int]]
    # By name, the shape of one step.
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    words: bool = False
    # The policy's name of what was recorded under another, where it was trained on such recordings.
    renames: Mapping[str, str] = field(default_factory=dict)
    # Cameras of which it takes goal images.
    goals: tuple[str, ...] = ()
    # Cameras that it was trained beside, and that no part of it looks through.
    unread: tuple[str, ...] = ()
    # Datasets whose actions it knows the units of, where it must be told which robot acts.
    datasets: tuple[str, ...] = ()
    # Timesteps of history it was trained with, and the most it can take.
    window: int = 1
    longest_window: int = 1


@dataclass(frozen=True)
class WantedAttention:
    """Which weights of one stack are wanted."""

    stack: str
    # Places of the layout.
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    layers: tuple[int, ...]
    # Of a stack that runs several times for one action.
    passes: tuple[int, ...] = (0,)
    # Whether lengths of values are wanted too, of a policy that `KnowsValues`.
    moved_norms: bool = False


@dataclass(frozen=True, eq=False)
class Watched:
    """What one forward did, and what it looked at while it did it."""

    # Normalised.
    actions: Float32[np.ndarray, "horizon dim"]
    # By stack, after mask and softmax: of the wanted passes, layers, queries and keys, all heads.
    weights: Mapping[str, Float[np.ndarray, "pass layer head query key"]]
    # True where a token is masked out as a key: padded history, an absent camera.
    token_pad: Bool[np.ndarray, " token"]
    # By stack, where it was asked for: the length of what each head moves from each key of the stack, apart from the weight.
    moved_norms: Mapping[str, Float[np.ndarray, "layer head key"]] = field(default_factory=dict)


@runtime_checkable
class PolicyModel(Protocol):
    """A policy: what comes in, what comes out, and where it looks."""

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        ...

    @property
    def needs(self) -> PolicyNeeds:
        """What it takes."""
        ...

    def digest(self) -> str:
        """Returns the SHA-256 of its parameters; of large ones it takes seconds, once."""
        ...

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns a recorded frame at the size that the policy sees, and how it was brought there.

        Raises:
          SelectionError: If the policy has no such camera.
        """
        ...

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns what its actions are over a dataset."""
        ...

    def layout(self, inputs: PolicyInputs) -> TokenLayout:
        """Returns what every token is for these inputs, with stacks, rules and words; nothing is computed.

        Raises:
          ObservationError: If the policy cannot take the inputs.
        """
        ...

    def act(
        self, inputs: Sequence[PolicyInputs], noise: Noise | Sequence[Noise], *, batch: int = 16
    ) -> Float32[np.ndarray, "input horizon dim"]:
        """Returns the normalised action chunk for each of the inputs; under the one noise, or each under its own.

        Args:
          inputs: All of one layout.
          noise: One for all, or one each.
          batch: Inputs run at once, where the policy runs several.
        """
        ...

    def watch(self, inputs: PolicyInputs, noise: Noise, wanted: Sequence[WantedAttention]) -> Watched:
        """Returns the action of one forward, and the attention of that very forward; watching changes no bit of the action."""
        ...


@runtime_checkable
class HoldsPolicy(Protocol):
    """Something else that people know under its own names and methods, with a policy behind it, such as `OctoModel`."""

    @property
    def policy(self) -> PolicyModel:
        """The policy as everything here takes it."""
        ...


def as_policy(model: "PolicyModel | HoldsPolicy") -> PolicyModel:
    """Returns the policy behind whatever people hold it as.

    Raises:
      TypeError: If it is no policy.
    """
    if isinstance(model, PolicyModel):
        return model
    if isinstance(model, HoldsPolicy):
        return model.policy
    raise TypeError(f"Expected a policy (see `octoscope.open_policy`), got {type(model).__name__}.")
