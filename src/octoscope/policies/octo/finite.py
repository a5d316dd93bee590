"""Numbers that are not finite, refused where they enter a policy and where they would leave it: one NaN makes all that follows NaN."""

from collections.abc import Iterable

import numpy as np
from jax.core import Tracer

from octoscope.errors import ObservationError
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
