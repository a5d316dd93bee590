"""LeRobot's policies whose tokens are known here: laid out by our own readers, run by LeRobot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from octoscope.array_typing import Bool, Float32
from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel
from octoscope.policies.act.stacks import CROSS, DECODER, ENCODER
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.parts.flow import PREFIX, SUFFIX
from octoscope.policies.parts.flow_policy import FlowPolicy
from octoscope.policies.pi.model import PiModel
from octoscope.policies.smolvla.model import SmolVlaModel
from octoscope.policies.torch_hooks.torch_program import HookedTokens
from octoscope.tokens.layout import TokenLayout

_PI = {
    PREFIX: "model.paligemma_with_expert.paligemma.model.language_model.layers.{}.self_attn",
    SUFFIX: "model.paligemma_with_expert.gemma_expert.model.layers.{}.self_attn",
}
# By kind and stack, where LeRobot computes the attention of a layer.
_SITES: Mapping[str, Mapping[str, str]] = {
    "act": {
        ENCODER: "model.encoder.layers.{}.self_attn",
        DECODER: "model.decoder.layers.{}.self_attn",
        CROSS: "model.decoder.layers.{}.multihead_attn",
    },
    "smolvla": {
        PREFIX: "model.vlm_with_expert.vlm.model.text_model.layers.{}.self_attn",
        SUFFIX: "model.vlm_with_expert.lm_expert.layers.{}.self_attn",
    },
    "pi0": _PI,
    "pi05": _PI,
}
DESCRIBED = tuple(_SITES)


@dataclass(frozen=True, eq=False)
class DescribedLeRobot:
    """Our own policy of a folder without its parameters: it prepares, reads words, lays out and draws noise."""

    kind: str
    policy: ActPolicy | FlowPolicy

    @classmethod
    def read(cls, folder: Path, kind: str) -> "DescribedLeRobot":
        """Reads a folder of one of the kinds `DESCRIBED`; raises what opening it does."""
        if kind == "act":
            return cls(kind, ActPolicy(ActModel.described(folder)))
        model = SmolVlaModel.described(folder) if kind == "smolvla" else PiModel.described(folder)
        return cls(kind, FlowPolicy(model, kind))

    def tokens(self, inputs: PolicyInputs) -> HookedTokens:
        """Returns what every token is, and where LeRobot's modules attend."""
        layout = self.policy.layout(replace(inputs, hidden=None))
        sites = {
            stack.name: tuple(_SITES[self.kind][stack.name].format(layer) for layer in range(stack.num_layers))
            for stack in layout.stacks
        }
        return HookedTokens(layout, sites, self._pad(inputs, layout))

    def noise(self, noise: Noise) -> Float32[np.ndarray, "1 horizon padded_dim"] | None:
        """Returns what the actions start from: the array that our own forward draws; None where there is none."""
        return self.policy.draw(noise)[None] if isinstance(self.policy, FlowPolicy) else None

    def _pad(self, inputs: PolicyInputs, layout: TokenLayout) -> Bool[np.ndarray, " token"]:
        pad = np.zeros(layout.size, bool)
        if isinstance(self.policy, FlowPolicy):
            real = self.policy.real_words(inputs)
            first = layout.find_spans("language" if "language" in layout.groups else "state")[0].start
            pad[first : first + len(real)] = ~real
            for group in layout.groups:
                # Pictures that stand for absent cameras.
                if group.startswith("image_empty") and layout.find_spans(group)[0].source.kind == "vector":
                    pad[layout.select(group)] = True
        return pad
