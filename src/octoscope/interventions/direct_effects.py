"""Masked keys once more, the fast way: hidden from the acting row's own attention alone, beside the full rerun that hides them from all.

Exact for the direct path only: other tokens still look at the masked keys, and the row at those tokens. Where this is as large as the
full rerun, the row takes it from there itself; where it is smaller, other tokens pass it on.
"""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.errors import SelectionError
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import KnocksOutRows
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise


def direct_effects(
    scene: StepScene, changed: Sequence[PolicyInputs], noise: Noise
) -> tuple[Float[np.ndarray, " intervention"], str]:
    """Returns how far the action changes when masked keys are hidden from the acting row only, and why there may be no such number.

    NaN where something else than keys was changed, where the row may look at all keys, or where no key is left for it.

    Args:
      scene: The step.
      changed: What each intervention gives to the policy.
      noise: That is acted under.
    """
    sizes = np.full(len(changed), np.nan)
    masked = [place for place, inputs in enumerate(changed) if _only_keys(scene, inputs)]
    if not masked:
        return sizes, ""
    if not isinstance(scene.policy, KnocksOutRows):
        return sizes, f"No knock-outs of the readout alone: {scene.policy.card.name} does not offer them."
    try:
        row = scene.policy.row_pass(scene.inputs, noise)
    except SelectionError as error:
        return sizes, f"No knock-outs of the readout alone. {error}"
    sets = {place: np.asarray(changed[place].hidden)[row.queries].all(axis=0) for place in masked}
    sets = {place: keys for place, keys in sets.items() if keys.any() and (row.visible & ~keys).any()}
    if sets:
        counts: Bool[np.ndarray, " dim"] = scene.space.counts
        actions = row.knock_out(np.stack(list(sets.values())))[..., counts]
        sizes[list(sets)] = action_change(row.actions[..., counts], actions)
    return sizes, ""


def _only_keys(scene: StepScene, inputs: PolicyInputs) -> bool:
    return inputs.hidden is not None and inputs.differs_only_in_keys(scene.inputs)
