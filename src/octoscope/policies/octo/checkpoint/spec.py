"""Module specs: how a config names a class and its arguments, read without guessing."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from octoscope.errors import ConfigError, nearest

ModuleSpec = Mapping[str, Any]
_ENTRIES = {"module", "name", "args", "kwargs"}


def spec_path(spec: Any, known: Collection[str], *, kind: str) -> str:
    """Returns the import path that a spec names.

    Args:
      spec: Out of a config, unchecked; must be an object with exactly `module`, `name`, `args` and `kwargs`.
      known: Import paths that may be named.
      kind: What is named, for the message: "module".

    Raises:
      ConfigError: If the spec is malformed, or names something else.
    """
    if not isinstance(spec, Mapping) or set(spec) != _ENTRIES:
        got = sorted(spec) if isinstance(spec, Mapping) else repr(spec)
        raise ConfigError(
            f"A {kind} in the config must be given by exactly `module`, `name`, `args` and `kwargs`, got {got}."
        )
    path = f"{spec['module']}.{spec['name']}"
    if not isinstance(spec["args"], Sequence | None) or not isinstance(spec["kwargs"], Mapping | None):
        raise ConfigError(f"In the config's '{path}', `args` must be a list and `kwargs` an object.")
    if path not in known:
        raise ConfigError(
            f"The config names the {kind} '{path}', which octoscope does not know.{_nearest_path(path, known)} "
            f"Known: {', '.join(sorted(known))}."
        )
    return path


def _nearest_path(path: str, known: Collection[str]) -> str:
    # By the class's own name first: all paths begin alike, which makes every one of them near.
    by_name = {entry.rpartition(".")[2]: entry for entry in known}
    close = difflib.get_close_matches(path.rpartition(".")[2], list(by_name), n=1)
    return f" Did you mean '{by_name[close[0]]}'?" if close else nearest(path, known)


def spec_arguments(spec: ModuleSpec, names: Sequence[str], *, required: Collection[str] = ()) -> dict[str, Any]:
    """Returns a spec's arguments by name; lists become tuples, which is what they were before JSON.

    Args:
      spec: A spec that `spec_path` has checked.
      names: All arguments of what is named, in the original's order.
      required: Those without a default.

    Raises:
      ConfigError: If an argument is unknown, missing or given twice.
    """
    path, given, named = f"{spec['module']}.{spec['name']}", spec["args"] or (), spec["kwargs"] or {}
    if len(given) > len(names):
        raise ConfigError(
            f"The config gives '{path}' {len(given)} `args`, but it takes {len(names)}: {', '.join(names)}."
        )
    positional = dict(zip(names, given, strict=False))
    for name in named:
        if name not in names:
            raise ConfigError(
                f"The config gives '{path}' the argument '{name}', which it does not take.{nearest(name, names)} "
                f"It takes: {', '.join(names)}."
            )
        if name in positional:
            raise ConfigError(f"The config gives '{path}' the argument '{name}' twice: in `args` and in `kwargs`.")
    arguments = {name: _as_tuple(value) for name, value in {**positional, **named}.items()}
    missing = [name for name in names if name in required and name not in arguments]
    if missing:
        raise ConfigError(f"The config gives '{path}' no '{missing[0]}', which it needs. It takes: {', '.join(names)}.")
    return arguments


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(entry) for entry in value) if isinstance(value, list | tuple) else value
