"""Masked keys once more, the fast way: hidden from the readout's own attention alone, beside the full rerun that hides them from all.

Exact for the direct path only: other tokens still look at the masked keys, and the readout at those tokens. Where this is as large as the
full rerun, the readout takes it from there itself; where it is smaller, other tokens pass it on.
"""

from collections.abc import Sequence

import jax
import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.capture.readout_row import ReadoutRow
from octoscope.errors import SelectionError
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import PolicyInputs, StepScene


def direct_effects(
    scene: StepScene,
    changed: Sequence[PolicyInputs],
    key: jax.Array,
    *,
    moves: Bool[np.ndarray, " dim"],
    action_dim: int | None,
) -> tuple[Float[np.ndarray, " intervention"], str]:
    """Returns how far the action changes when masked keys are hidden from the current readout only, and why there may be no such number.

    NaN where something else than keys was changed, where the readout may look at all keys, or where no key is left for it.

    Args:
      scene: The step.
      changed: What each intervention gives to the policy.
      key: Of the noise.
      moves: Dimensions of the action that count, of all that the robot has.
      action_dim: Dimensions that the robot has, for a diffusion head.
    """
    sizes = np.full(len(changed), np.nan)
    masked = [place for place, inputs in enumerate(changed) if _only_keys(scene, inputs)]
    if not masked:
        return sizes, ""
    try:
        row = ReadoutRow.keep(
            scene.model, scene.inputs.observation, scene.inputs.tasks, rng=key, embodiment_action_dim=action_dim
        )
    except SelectionError as error:
        return sizes, f"No knock-outs of the readout alone. {error}"
    start, stop = row.programs.span.start, row.programs.span.stop
    sets = {place: np.asarray(changed[place].hidden)[start:stop].all(axis=0) for place in masked}
    visible = np.asarray(row.kept.mask).any(axis=0)
    sets = {place: keys for place, keys in sets.items() if keys.any() and (visible & ~keys).any()}
    if sets:
        actions = row.knock_out(np.stack(list(sets.values())))[..., : len(moves)][..., moves]
        sizes[list(sets)] = action_change(row.actions[..., : len(moves)][..., moves], actions)
    return sizes, ""


def _only_keys(scene: StepScene, inputs: PolicyInputs) -> bool:
    same = inputs.observation is scene.inputs.observation and inputs.tasks is scene.inputs.tasks
    return same and inputs.hidden is not None
