"""A policy that has acted already, as a policy that `attend` takes: a run is written of what was seen while it acted."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyCard, PolicyNeeds, WantedAttention, Watched
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout

if TYPE_CHECKING:
    from octoscope.policies.torch_hooks.attention_watch import AttentionCall
    from octoscope.policies.torch_hooks.hooked_policy import HookedPolicy


@dataclasses.dataclass(frozen=True, eq=False)
class SeenStep:
    """The attention and the chunks of one forward, of all environments or of one."""

    calls: "tuple[AttentionCall, ...]"
    chunk: Float32[np.ndarray, "environment horizon dim"]

    def of(self, environment: int) -> "SeenStep":
        """Returns what belongs to one environment."""
        calls = tuple(
            dataclasses.replace(call, weights=call.weights[environment : environment + 1]) for call in self.calls
        )
        return SeenStep(calls, self.chunk[environment : environment + 1])


@dataclasses.dataclass(frozen=True, eq=False)
class ReplayedPolicy:
    """A policy that did already what it is asked to do: `watch` gives what was seen at the step that the noise names."""

    policy: "HookedPolicy"
    forwards: Mapping[int, SeenStep]

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        return self._card

    @functools.cached_property
    def _card(self) -> PolicyCard:
        card = self.policy.card
        return dataclasses.replace(card, facts={**card.facts, "loop": "closed: recorded while it acted"})

    @property
    def needs(self) -> PolicyNeeds:
        """What it takes."""
        return self.policy.needs

    def digest(self) -> str:
        """Returns the SHA-256 of its parameters."""
        return self.policy.digest()

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns a frame as the policy was given it."""
        return self.policy.prepare(camera, frame)

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns what its actions are; as many as the chunk of a forward holds."""
        horizon = next(iter(self.forwards.values())).chunk.shape[1]
        return dataclasses.replace(self.policy.action_space(dataset), horizon=horizon)

    def layout(self, inputs: PolicyInputs) -> TokenLayout:
        """Returns what every token is."""
        return self.policy.layout(inputs)

    def act(
        self, inputs: Sequence[PolicyInputs], noise: Noise | Sequence[Noise], *, batch: int = 16
    ) -> Float32[np.ndarray, "input horizon dim"]:
        """Returns what it did."""
        noises = [noise] * len(inputs) if isinstance(noise, Noise) else noise
        return np.stack([self.forwards[each.step].chunk[0] for each in noises])

    def watch(self, inputs: PolicyInputs, noise: Noise, wanted: Sequence[WantedAttention]) -> Watched:
        """Returns what it did, and what was seen while it did it."""
        from octoscope.policies.torch_hooks.attention_watch import AttentionWatch
        from octoscope.policies.torch_hooks.hooked_policy import stack_weights

        forward = self.forwards[noise.step]
        tokens = self.policy.program.tokens(inputs)
        calls = list(forward.calls)
        watch = AttentionWatch(calls=calls, sites=[call.site for call in calls])
        pad = np.zeros(tokens.layout.size, bool) if tokens.pad is None else tokens.pad
        return Watched(forward.chunk[0], {each.stack: stack_weights(watch, tokens, each) for each in wanted}, pad)
