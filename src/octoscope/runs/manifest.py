"""Comparing manifests: whether two runs are made from the same policy, episode and arguments."""

from collections.abc import Mapping
from typing import Any

# Written by the store, not by whoever makes the run.
_OWN = ("format", "complete")
_LONGEST = 60


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns what differs between two manifests, as people say it; nothing when they are of the same run.

    Everything counts, the versions of octoscope and jax and the kind of device among it: each can change the last bit.

    >>> differences({"seed": 0, "complete": False}, {"seed": 1})
    ['seed was 0, is 1']
    >>> differences({"config": {"window_size": 2}}, {"config": {"window_size": 1}})
    ['config.window_size was 2, is 1']
    """
    return _compare(
        {name: value for name, value in before.items() if name not in _OWN},
        {name: value for name, value in now.items() if name not in _OWN},
        "",
    )


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _compare(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} was {_short(old)}, is {_short(new)}")
    return found


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
