"""Observations and tasks compared with what the policy was trained on."""

from typing import Any

from octoscope.errors import ObservationError
from octoscope.octo.tokenizers import Inputs


def check_shapes(kind: str, given: Inputs, example: Inputs, *, leading: int) -> None:
    """Compares the trailing axes of every array with the example's.

    Args:
      kind: "observation" or "task", for the message.
      given: What came.
      example: What the policy was trained on; keys it lacks are not checked.
      leading: How many axes (batch, window) come first.

    Raises:
      ObservationError: Naming the key, the shape expected and the shape that came.
    """
    for key, value in named_arrays(given):
        if key in example and hasattr(example[key], "shape"):
            expected, got = example[key].shape[leading:], value.shape[leading:]
            if expected != got:
                axes = ("batch", "window")[:leading]
                raise ObservationError(
                    f"{kind} '{key}' must have shape ({', '.join(axes)}, {', '.join(map(str, expected))}), got {value.shape}."
                    + (" Resize the image with `resize_image`." if key.startswith("image_") else "")
                )


def named_arrays(inputs: Inputs) -> list[tuple[str, Any]]:
    """Returns the entries that are arrays, not dicts of them."""
    return [(key, value) for key, value in inputs.items() if hasattr(value, "shape")]
