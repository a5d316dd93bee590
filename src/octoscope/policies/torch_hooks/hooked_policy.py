"""A policy in PyTorch behind the door that every policy comes through: it acts as it always does, and its attention is seen by hooks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from octoscope.array_typing import Bool, Float, Float32, UInt8
from octoscope.errors import ObservationError, SelectionError
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.forward_count import counted
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyCard, PolicyNeeds, WantedAttention, Watched
from octoscope.policies.policy_text import ShowsItself
from octoscope.policies.torch_hooks.attention_watch import AttentionWatch, watch_attention
from octoscope.policies.torch_hooks.torch_program import HookedTokens, TorchProgram
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack


@dataclass(frozen=True, eq=False, repr=False)
class HookedPolicy(ShowsItself):
    """A `TorchProgram` as a `PolicyModel`; watched or not, its actions are the same bits."""

    program: TorchProgram

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        return self.program.card

    @property
    def needs(self) -> PolicyNeeds:
        """What it takes."""
        return self.program.needs

    def digest(self) -> str:
        """Returns the SHA-256 of its parameters."""
        return self.program.digest()

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns a frame as the policy is given it."""
        return self.program.prepare(camera, frame)

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns what its actions are."""
        return self.program.action_space(dataset)

    def layout(self, inputs: PolicyInputs) -> TokenLayout:
        """Returns what every token is."""
        return self.program.tokens(inputs).layout

    @counted
    def act(
        self, inputs: Sequence[PolicyInputs], noise: Noise | Sequence[Noise], *, batch: int = 16
    ) -> Float32[np.ndarray, "input horizon dim"]:
        """Returns the normalised chunk of each input, one after another.

        Raises:
          ValueError: If there are not as many noises as inputs.
        """
        noises = [noise] * len(inputs) if isinstance(noise, Noise) else list(noise)
        if len(noises) != len(inputs):
            raise ValueError(f"`noise` must be one, or one each of the {len(inputs)} inputs, got {len(noises)}.")
        return np.stack([self._acted(each, under) for each, under in zip(inputs, noises, strict=True)])

    def watch(self, inputs: PolicyInputs, noise: Noise, wanted: Sequence[WantedAttention]) -> Watched:
        """Returns the action of one forward, and its attention.

        Raises:
          ObservationError: If the module does not attend where its tokens say so.
        """
        tokens = self.program.tokens(inputs)
        rows: dict[str, Sequence[int] | None] = {}
        for each in wanted:
            places = tokens.layout.places(tokens.layout.stack(each.stack).query_groups)
            chosen = np.searchsorted(places, each.queries).tolist()
            rows |= {tokens.sites[each.stack][layer]: chosen for layer in each.layers}
        with watch_attention(self.program.module, wanted=rows, hidden=self._hidden(inputs, tokens)) as watch:
            actions = _as_actions(self.program.run(replace(inputs, hidden=None), noise))
        weights = {each.stack: stack_weights(watch, tokens, each) for each in wanted}
        pad = np.zeros(tokens.layout.size, bool) if tokens.pad is None else tokens.pad
        return Watched(actions, weights, pad)

    def _acted(self, inputs: PolicyInputs, noise: Noise) -> Float32[np.ndarray, "horizon dim"]:
        if inputs.hidden is None and inputs.kept is None:
            return _as_actions(self.program.run(inputs, noise))
        return self.watch(inputs, noise, []).actions

    def _hidden(self, inputs: PolicyInputs, tokens: HookedTokens) -> dict[str, Bool[np.ndarray, "query key"]]:
        if inputs.kept is not None:
            raise ObservationError("Tokens of a PyTorch module cannot be dropped: hide their keys instead.")
        if inputs.hidden is None:
            return {}
        layout = tokens.layout
        if len(inputs.hidden) != layout.size:
            raise ObservationError(
                f"Keys are hidden among {len(inputs.hidden)} tokens, but with these inputs there are {layout.size}: words cannot be "
                "changed together with hidden keys here."
            )
        masks: dict[str, Bool[np.ndarray, "query key"]] = {}
        for stack in layout.stacks:
            mask = inputs.hidden[np.ix_(layout.places(stack.query_groups), layout.places(stack.key_groups))]
            if mask.all(axis=1).any():
                raise SelectionError(f"A mask of '{stack.name}' leaves a query no key to look at.")
            masks |= dict.fromkeys(tokens.sites[stack.name], mask)
        return masks


def stack_weights(
    watch: AttentionWatch, tokens: HookedTokens, wanted: WantedAttention
) -> Float[np.ndarray, "pass layer head query key"]:
    """Returns what is wanted of a stack out of what was seen in one forward; of a batch, its first entry.

    Raises:
      ObservationError: If what was seen is not what the layout says.
    """
    stack = tokens.layout.stack(wanted.stack)
    keys = len(tokens.layout.places(stack.key_groups))
    layers = [_site_weights(watch, stack, tokens.sites[wanted.stack][layer], keys) for layer in wanted.layers]
    columns = np.searchsorted(tokens.layout.places(stack.key_groups), wanted.keys)
    return np.stack(layers, axis=1)[list(wanted.passes)][..., columns]


def _site_weights(
    watch: AttentionWatch, stack: AttentionStack, site: str, keys: int
) -> Float[np.ndarray, "pass head query key"]:
    calls = [call.weights[0] for call in watch.calls if call.site == site]
    if len(calls) != stack.num_passes:
        seen = ", ".join(dict.fromkeys(watch.sites)) or "nowhere at all"
        raise ObservationError(
            f"'{stack.name}' was to attend {stack.num_passes} times in '{site or 'the module itself'}', and did {len(calls)} times. "
            f"Attention was seen in: {seen}. Attention of kernels outside of PyTorch (flash-attn) is not seen: load the policy with "
            "eager or sdpa attention."
        )
    if any(len(each) != stack.num_heads or each.shape[-1] > keys for each in calls):
        raise ObservationError(
            f"'{site}' has {len(calls[0])} heads and looks at {calls[0].shape[-1]} tokens; the layout of '{stack.name}' says "
            f"{stack.num_heads} and {keys}."
        )
    # A layer that looks at the first of the stack's keys alone cannot see the others: masked, which is 0.
    return np.stack([np.pad(each, ((0, 0), (0, 0), (0, keys - each.shape[-1]))) for each in calls])


def _as_actions(actions: torch.Tensor) -> Float32[np.ndarray, "horizon dim"]:
    return np.array(actions.detach().float().cpu().numpy(), np.float32)
