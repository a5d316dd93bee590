"""Fast maps from the readout's own attention: gradient times weight, and each cell knocked out of it. Exact for the direct path only.

Both run the readout's rows over keys and values that one forward left behind (see `capture.readout_effects`). What other tokens gathered
from a cell stays as it was, so these maps cannot see a cell that reaches the action through other tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float
from octoscope.capture.provenance import acting_head
from octoscope.capture.readout_row import ReadoutRow
from octoscope.errors import SelectionError
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.methods import BACKWARD, DIRECT
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.octo.heads.discrete_head import DiscreteActionHead
from octoscope.policies.octo.lean.readout_rows import readout_span


def readout_maps(
    methods: Sequence[str],
    cells: Cells,
    scene: StepScene,
    key: Array,
    *,
    target: ActionTarget,
    moves: Bool[np.ndarray, " dim"],
    params: Mapping[str, Any],
    action_dim: int | None,
) -> dict[str, Float[np.ndarray, " cell"]]:
    """Returns those of DIRECT that are among the methods, from one forward.

    "readout gradients" is the size of the sum of gradient times weight over layers, heads and the cell's tokens: to first order, what the
    target would lose if nothing came from the cell. "readout knock-outs" is the change of the action when the cell's keys are masked
    from the readout, so that the other weights grow to sum to 1 again.

    Args:
      methods: Others are left alone.
      cells: What is scored.
      scene: The step.
      key: Of the noise.
      target: What gradients are of.
      moves: Dimensions of the action that count.
      params: The policy's.
      action_dim: Dimensions that the robot has, for a diffusion head.
    """
    if not set(DIRECT) & set(methods):
        return {}
    inputs = scene.inputs
    row = ReadoutRow.keep(
        scene.model, inputs.observation, inputs.tasks, rng=key, embodiment_action_dim=action_dim, params=params
    )
    maps: dict[str, np.ndarray] = {}
    if "readout gradients" in methods:
        gradients = row.weighted_gradients(target.weights(row.actions, moves))
        per_key = (gradients.astype(np.float64) * row.weights).sum(axis=(0, 1, 2))
        maps["readout gradients"] = np.abs(cells.gathered(per_key))
    if "readout knock-outs" in methods:
        sets = np.zeros((len(cells), cells.layout.size), bool)
        sets[np.arange(len(cells))[:, None], cells.keys()] = True
        actions = row.knock_out(sets)[..., moves]
        maps["readout knock-outs"] = action_change(row.actions[..., moves], actions)
    return maps


def possible_methods(scene: StepScene, methods: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the methods that a policy allows, and a sentence for each reason why others are left out.

    Args:
      scene: A step of the policy.
      methods: Of METHODS.
    """
    reasons: dict[str, str] = {}
    head = scene.model.module.heads[acting_head(scene.model)]
    if isinstance(head, DiscreteActionHead):
        reasons |= dict.fromkeys((*BACKWARD, "readout gradients"), "The head chooses bins, which have no gradient.")
    try:
        readout_span(scene.layout, head.readout_key)
    except SelectionError as error:
        reasons |= dict.fromkeys(DIRECT, str(error))
    refused: dict[str, list[str]] = {}
    for method in methods:
        if method in reasons:
            refused.setdefault(reasons[method], []).append(method)
    sentences = tuple(f"Left out: {', '.join(names)}. {reason}" for reason, names in refused.items())
    return tuple(method for method in methods if method not in reasons), sentences
