"""Observations and tasks compared with what the policy was trained on."""

from collections.abc import Mapping
from typing import Any

from octoscope.errors import ObservationError
from octoscope.policies.octo.network.tokenizers import Inputs


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


def check_leading_axes(observations: Inputs, tasks: Inputs, shape: tuple[int, ...], *, known: Inputs) -> None:
    """Compares the leading axes of every array with those of the timestep pad mask.

    Args:
      observations: Arrays with leading (batch, window), also in `pad_mask_dict`.
      tasks: Arrays with leading (batch,), also in dicts of them.
      shape: Of the timestep pad mask.
      known: What the policy was trained on; other observations are not read, nor checked.

    Raises:
      ObservationError: Naming the array, the axes expected and those that came.
    """
    if len(shape) != 2:
        raise ObservationError(f"`timestep_pad_mask` must be (batch, window), got shape {shape}.")
    for key, value in [*named_arrays(observations), *nested_arrays(observations)]:
        if key.rpartition("/")[2] in known and value.shape[:2] != shape:
            raise ObservationError(
                f"observation '{key}' must lead with (batch, window) {shape} like the pad mask, got {value.shape[:2]}."
            )
    for key, value in [*named_arrays(tasks), *nested_arrays(tasks)]:
        if value.shape[:1] != shape[:1]:
            raise ObservationError(
                f"task '{key}' must lead with the batch {shape[0]} like the pad mask, got {value.shape[:1]}."
            )


def nested_arrays(inputs: Inputs) -> list[tuple[str, Any]]:
    """Returns the arrays in dicts of them, by path ("pad_mask_dict/image_primary")."""
    return [
        (f"{name}/{key}", value)
        for name, entries in inputs.items()
        if isinstance(entries, Mapping)
        for key, value in named_arrays(entries)
    ]


def named_arrays(inputs: Inputs) -> list[tuple[str, Any]]:
    """Returns the entries that are arrays, not dicts of them."""
    return [(key, value) for key, value in inputs.items() if hasattr(value, "shape")]
