"""The arrays of a run by name, and what their axes are called."""

from collections.abc import Iterator

import zarr


def stored_arrays(group: zarr.Group, prefix: str = "") -> Iterator[tuple[str, zarr.Array]]:
    """Yields every array of a group and the groups below it: ("attention/readout_action", ...)."""
    for name, member in sorted(group.members()):
        if isinstance(member, zarr.Array):
            yield f"{prefix}{name}", member
        else:
            yield from stored_arrays(member, f"{prefix}{name}/")


def axis_names(array: zarr.Array) -> tuple[str, ...]:
    """Returns the dimension names of an array; "" where it has none."""
    names = getattr(array.metadata, "dimension_names", None) or [None] * array.ndim
    return tuple(name or "" for name in names)
