"""What an intervention does inside the policy: how far each token's encoding moves, by depth."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.window_change import relative_change
from octoscope.errors import SelectionError
from octoscope.interventions.apply import apply_intervention
from octoscope.interventions.descriptions import Intervention
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import Encodes
from octoscope.tokens.encoding_point import choose_points

_STREAM = ("input", "residual")


def encoding_change(
    scene: StepScene, intervention: Intervention, *, points: str | Sequence[str] | None = None
) -> dict[str, Float[np.ndarray, "*axes"]]:
    """Returns, by point in the order of the forward, the length of each encoding's change over its length before.

    It is 0 for a token that nothing reached.

    Args:
      scene: The step.
      intervention: What is done to pictures or words, such as covering one patch.
      points: Where; the residual stream of every stack before the first block and after each by default.

    Raises:
      SelectionError: If something that is to be changed does not exist, or keys would be masked.

    Example:
      >>> import octoscope as osc
      >>> from octoscope.interventions.descriptions import CoverPatches
      >>> scene = StepScene.at(osc.OctoModel.load_pretrained("demo"), osc.open_episodes("demo")[0], 3)
      >>> moved = encoding_change(scene, CoverPatches("primary", [(0, 0)], timestep=-1))
      >>> prefix = scene.layout.select("task_language")
      >>> moved["blocks.3.residual"].shape, float(moved["blocks.3.residual"][prefix].max())
      ((198,), 0.0)
    """
    policy, changed = scene.policy, apply_intervention(scene, intervention)
    if changed.hidden is not None:
        raise SelectionError(
            f"'{intervention.label}' masks keys, and encodings are captured in a forward without masked keys. Cover or reword instead."
        )
    if not isinstance(policy, Encodes):
        raise SelectionError(f"{policy.card.name} does not tell its encodings.")
    known = policy.encoding_points(scene.inputs)
    chosen = [p for p in known if p.stage in _STREAM] if points is None else choose_points(known, points)
    names = [point.name for point in chosen]
    before, after = (policy.encode(inputs, names) for inputs in (scene.inputs, changed))
    return {name: relative_change(before[name], after[name]) for name in names}
