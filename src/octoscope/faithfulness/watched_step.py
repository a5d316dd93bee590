"""The forward of one step that acts, with the attention of every row of the stack that acts."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import KnowsValues
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import WantedAttention


@dataclass(frozen=True, eq=False)
class WatchedStep:
    """What one step did and looked at."""

    action: Float[np.ndarray, "horizon dim"]
    # Of the stack that acts; a key is a place of the layout, and those that are none of the stack's have weight 0.
    weights: Float[np.ndarray, "layer head query key"]
    # Which of the stack's queries acts.
    row: int
    # Length of what each head moves from each key: the value through the head's part of the output projection; None where unknown.
    moved_norms: Float[np.ndarray, "layer head key"] | None


def watch_step(scene: StepScene, noise: Noise) -> WatchedStep:
    """Returns action, weights and lengths of values of a step, from one forward."""
    layout, knows = scene.layout, isinstance(scene.policy, KnowsValues)
    stack = layout.stack()
    queries, keys = layout.places(stack.query_groups), layout.places(stack.key_groups)
    wanted = WantedAttention(
        stack.name,
        tuple(int(place) for place in queries),
        tuple(int(place) for place in keys),
        tuple(range(stack.num_layers)),
        (stack.num_passes - 1,),
        moved_norms=knows,
    )
    watched = scene.policy.watch(scene.inputs, noise, [wanted])
    seen = watched.weights[stack.name][0]
    weights = np.zeros((*seen.shape[:3], layout.size), np.float32)
    weights[..., keys] = seen
    row = int(np.searchsorted(queries, acting_place(scene)))
    return WatchedStep(watched.actions, weights, row, watched.moved_norms.get(stack.name))


def acting_place(scene: StepScene) -> int:
    """Returns the place of the current readout's first token, or of the last token of a policy that has no readout."""
    readouts = [span for span in scene.layout.spans if span.source.kind == "readout"]
    return readouts[-1].start if readouts else scene.layout.size - 1


def looks_at_itself(scene: StepScene) -> bool:
    """Whether the stack that acts is over all tokens, each of them query and key: then layers can be followed through."""
    stack = scene.layout.stack()
    return stack.query_groups == stack.key_groups == scene.layout.groups
