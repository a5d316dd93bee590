"""Numbers that are not finite, refused where they enter a policy and where they would leave it: one NaN makes all that follows NaN."""

from collections.abc import Iterable

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from octoscope.errors import CheckpointError, ObservationError
from octoscope.policies.octo.network.input_shapes import named_arrays, nested_arrays
from octoscope.policies.octo.network.tokenizers import Inputs

# Parameters named in a message.
_SHOWN = 5


def check_finite_inputs(kind: str, inputs: Inputs, known: Inputs) -> None:
    """Refuses inputs that hold NaN or infinity.

    Args:
      kind: "observation" or "task", for the message.
      inputs: Arrays, and dicts of them; what is being traced has no values yet and passes.
      known: What the policy was trained on; the rest is not read.

    Raises:
      ObservationError: Naming the first such array and where in it.
    """
    for key, value in [*named_arrays(inputs), *nested_arrays(inputs)]:
        real = np.issubdtype(value.dtype, np.floating) and not isinstance(value, Tracer)
        if not real or key.partition("/")[0] not in known:
            continue
        bad = ~np.isfinite(np.asarray(value))
        if bad.any():
            place = tuple(int(index[0]) for index in np.nonzero(bad))
            raise ObservationError(
                f"{kind} '{key}' must be finite, but {bad.sum()} of its {bad.size} numbers are not, the first at {place}. "
                "Leave this step out, or mend it."
            )


def check_finite_actions(
    actions: Float[Array | np.ndarray, "..."], *, step: int | None = None, layer: int | None = None
) -> None:
    """Refuses actions that are not finite, or attention that is not.

    Args:
      actions: What the policy gave.
      step: Of the episode, where there is one.
      layer: The first layer whose attention is not finite, where that is known.

    Raises:
      CheckpointError: Since inputs and parameters are checked, it is the policy that overflows.
    """
    if layer is None and np.isfinite(np.asarray(actions)).all():
        return
    at = "" if step is None else f" at step {step}"
    what = "action" if layer is None else f"attention from layer {layer} on"
    raise CheckpointError(
        f"The policy's {what}{at} is not finite, although all that it was given is: its parameters make numbers that are too large. "
        "Take an earlier training step (--checkpoint-step), or look for parameters that diverged."
    )


def describe_not_finite(arrays: Iterable[tuple[str, np.ndarray]]) -> str | None:
    """Returns one sentence that names the parameters that are not finite in float32; None when all are."""
    broken: list[str] = []
    for path, array in arrays:
        with np.errstate(over="ignore"):
            bad = int(array.size - np.isfinite(array.astype(np.float32, copy=False)).sum())
        if bad:
            broken.append(f"{path} ({bad:,} of {array.size:,})")
    if not broken:
        return None
    more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return (
        f"Parameters are not finite: {', '.join(broken[:_SHOWN])}{more}. The training diverged or the file is damaged: take an "
        "earlier step, or copy the file again."
    )
