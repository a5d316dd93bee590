"""Stored parameters onto the device, one at a time, as the policy computes with them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from octoscope.checkpoints.stored_params import PathArrays, StoredParams
from octoscope.errors import CheckpointError
from octoscope.policies.finite_params import describe_not_finite
from octoscope.policies.octo.checkpoint.param_check import check_params


def load_params(stored: StoredParams, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters on the default device, as nested dicts.

    Weights stored in another precision (float16, bfloat16) are brought to the policy's own, float32: Octo computes in it. On a CPU
    jax takes the memory that was read into as it lies, so that loading holds one copy of the weights.

    Args:
      stored: The parameters in their file.
      expected: The shapes and dtypes that the policy's module makes, nested.

    Raises:
      CheckpointError: If they do not fit, before any of them is read, or are not finite.
    """
    wanted: dict[str, Any] = traverse_util.flatten_dict(dict(expected), sep="/")
    check_params(stored.specs, wanted)
    loaded: dict[str, jax.Array] = {}

    def placed() -> PathArrays:
        for path, array in stored.arrays():
            with np.errstate(over="ignore"):
                converted = array.astype(wanted[path].dtype, copy=False)
            yield path, converted
            loaded[path] = jax.device_put(converted)

    fault = describe_not_finite(placed())
    if fault:
        raise CheckpointError(fault)
    return traverse_util.unflatten_dict(loaded, sep="/")
