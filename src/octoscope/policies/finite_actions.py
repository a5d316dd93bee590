"""Actions that are not finite, refused where they would leave a policy: one NaN makes all that follows NaN."""

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import CheckpointError


def check_finite_actions(
    actions: Float[np.ndarray, "..."], *, step: int | None = None, layer: int | None = None, stack: str = ""
) -> None:
    """Refuses actions that are not finite, or attention that is not.

    Args:
      actions: What the policy gave.
      step: Of the episode, where there is one.
      layer: The first layer whose attention is not finite, where that is known.
      stack: Whose layer, of a policy that has several.

    Raises:
      CheckpointError: Since inputs and parameters are checked, it is the policy that overflows.
    """
    if layer is None and np.isfinite(actions).all():
        return
    at = "" if step is None else f" at step {step}"
    of = f" of '{stack}'" if stack else ""
    what = "action" if layer is None else f"attention{of} from layer {layer} on"
    raise CheckpointError(
        f"The policy's {what}{at} is not finite, although all that it was given is: its parameters make numbers that are too large. "
        "Take an earlier training step (--checkpoint-step), or look for parameters that diverged."
    )
