"""What was read otherwise than it is written: old names, unsaid defaults, entries that nobody reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.policies.octo.checkpoint.normalization_type import NORMALIZATION_ENTRY, PROPRIO_ENTRY, find_entries

# Holds how numbers were normalised and what the proprioception was recorded as, at whatever depth.
_DATASETS = "dataset_kwargs"
# Entries of config.json that are read; the rest of the training config is not.
_READ = ("model", "text_processor", "octoscope_note", "window_size", _DATASETS)
_SHOWN = 12


def describe_changes(before: Any, after: Any, *, where: str = "") -> list[str]:
    """Returns a line for each entry that reading renamed, filled in or changed.

    Args:
      before: As written in the file.
      after: As read.
      where: Path of both, for the lines.

    >>> describe_changes({"head": {"pred_horizon": 4}}, {"head": {"action_horizon": 4}})
    ["head: 'pred_horizon' is read as 'action_horizon'"]
    """
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [] if _equal(before, after) else [f"{where}: {_short(before)} is read as {_short(after)}"]
    gone = [key for key in before if key not in after]
    lines: list[str] = []
    place = f"{where}: " if where else ""
    for key in after:
        if key in before:
            lines += describe_changes(before[key], after[key], where=f"{where}/{key}" if where else key)
            continue
        old = next((name for name in gone if _equal(before[name], after[key])), None)
        if old is not None:
            gone.remove(old)
            lines.append(f"{place}'{old}' is read as '{key}'")
        else:
            twin = next((name for name in before if _equal(before[name], after[key])), None)
            taken = _short(after[key]) if twin is None or not hasattr(after[key], "shape") else f"that of '{twin}'"
            lines.append(f"{place}'{key}' is not stated, taken as {taken}")
    return lines + [f"{place}'{key}' is not read" for key in gone]


def unread_entries(config: Mapping[str, Any]) -> list[str]:
    """Returns a line for what of a whole config plays no part in running the policy; [] when all of it does."""
    unread = [key for key in config if key not in _READ]
    more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
    lines = [f"config.json, training only, not read: {', '.join(unread[:_SHOWN])}{more}"] if unread else []
    read = [name for name in (NORMALIZATION_ENTRY, PROPRIO_ENTRY) if list(find_entries(config.get(_DATASETS), name))]
    return lines + (
        [f"config.json, {_DATASETS}: only {' and '.join(read) or 'nothing'} is read"] if _DATASETS in config else []
    )


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, Mapping) or isinstance(second, Mapping):
        return False
    if hasattr(first, "shape") or hasattr(second, "shape"):
        return np.array_equal(first, second)
    return type(first) is type(second) and first == second


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, list(value)[:4]))}"
    return f"an array {value.shape}" if hasattr(value, "shape") else repr(value)
