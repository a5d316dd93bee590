"""Numbers that are not finite, refused where they enter a policy: one NaN makes all that follows NaN."""

import numpy as np
from jax.core import Tracer

from octoscope.errors import ObservationError
from octoscope.policies.octo.network.input_shapes import named_arrays, nested_arrays
from octoscope.policies.octo.network.tokenizers import Inputs


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
