"""Fast maps from the acting row's own attention, gradient times weight and each cell knocked out of it; and which methods a policy allows.

The fast maps run the row over keys and values that one forward left behind (see `RowPass`): exact for the direct path only. What other
tokens gathered from a cell stays as it was, so they cannot see a cell that reaches the action through other tokens.
"""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.methods import DIRECT, THROUGH_LAYERS
from octoscope.faithfulness.watched_step import looks_at_itself
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import Differentiable, DifferentiatesAttention, KnocksOutRows, KnowsValues
from octoscope.policies.noise import Noise


def readout_maps(
    methods: Sequence[str], cells: Cells, scene: StepScene, noise: Noise, *, target: ActionTarget
) -> dict[str, Float[np.ndarray, " cell"]]:
    """Returns those of DIRECT that are among the methods, from one forward.

    "readout gradients" is the size of the sum of gradient times weight over layers, heads and the cell's tokens: to first order, what the
    target would lose if nothing came from the cell. "readout knock-outs" is the change of the action when the cell's keys are masked
    from the readout, so that the other weights grow to sum to 1 again.

    Args:
      methods: Others are left alone.
      cells: What is scored.
      scene: The step.
      noise: That is acted under.
      target: What gradients are of.
    """
    if not set(DIRECT) & set(methods):
        return {}
    assert isinstance(scene.policy, KnocksOutRows), "the method is possible"
    row, counts = scene.policy.row_pass(scene.inputs, noise), scene.space.counts
    maps: dict[str, np.ndarray] = {}
    if "readout gradients" in methods:
        gradients = row.weighted_gradients(target.weights(row.actions, counts))
        per_key = (gradients.astype(np.float64) * row.weights).sum(axis=(0, 1, 2))
        maps["readout gradients"] = np.abs(cells.gathered(per_key))
    if "readout knock-outs" in methods:
        sets = np.zeros((len(cells), cells.layout.size), bool)
        sets[np.arange(len(cells))[:, None], cells.keys()] = True
        actions = row.knock_out(sets)[..., counts]
        maps["readout knock-outs"] = action_change(row.actions[..., counts], actions)
    return maps


def possible_methods(scene: StepScene, methods: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the methods that a policy allows, and a sentence for each reason why others are left out.

    Args:
      scene: A step of the policy.
      methods: Of METHODS.
    """
    reasons = _reasons(scene)
    refused: dict[str, list[str]] = {}
    for method in methods:
        if method in reasons:
            refused.setdefault(reasons[method], []).append(method)
    sentences = tuple(f"Left out: {', '.join(names)}. {reason}" for reason, names in refused.items())
    return tuple(method for method in methods if method not in reasons), sentences


def _reasons(scene: StepScene) -> dict[str, str]:
    """Returns why a method is not possible, by method; the first reason stands."""
    policy, name = scene.policy, scene.policy.card.name
    reasons: dict[str, str] = {}

    def leave_out(left_out: Sequence[str], why: str) -> None:
        reasons.update({method: why for method in left_out if why and method not in reasons})

    if isinstance(policy, Differentiable):
        leave_out(("relevance", "gradient", "integrated gradients", "readout gradients"), policy.no_gradient)
    else:
        leave_out(
            ("gradient", "integrated gradients"), f"{name} gives no gradient of its action with respect to pixels."
        )
    if not looks_at_itself(scene):
        stack = scene.layout.stack().name
        leave_out(
            THROUGH_LAYERS,
            f"They follow attention from layer to layer, and those of '{stack}' look at other tokens than themselves.",
        )
    if not isinstance(policy, DifferentiatesAttention):
        leave_out(("relevance",), f"{name} gives no gradient of its action with respect to attention.")
    if not isinstance(policy, KnowsValues):
        leave_out(("value-weighted",), f"{name} does not tell what its values move.")
    if isinstance(policy, KnocksOutRows):
        leave_out(DIRECT, policy.no_row_pass(scene.layout))
    else:
        leave_out(DIRECT, f"{name} does not run its acting row alone.")
    return reasons
