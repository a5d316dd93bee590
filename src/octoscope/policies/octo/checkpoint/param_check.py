"""Parameters of a checkpoint against those that its config's policy has: every difference, by path and shape, told briefly."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from octoscope.errors import CheckpointError

# Lines shown of each kind of difference; a line may stand for many parameters.
_SHOWN = 10
_SIMILAR = 0.8


def check_params(params: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compares a checkpoint's parameters with those the config's policy has.

    Args:
      params: What is stored, by "/"-joined path; anything with a shape and a dtype.
      expected: What the policy needs, likewise.

    Raises:
      CheckpointError: Naming every missing, extra or misshapen parameter. A module whose parameters all are is one line, and so
        are parameters that differ by nothing but a number in their path; ten lines of each kind are shown.
    """
    differences = compare_params(params, expected)
    if differences:
        lines = ["The parameters do not fit the policy that config.json describes.", *differences]
        raise CheckpointError("\n".join([*lines, "Use the config.json that was saved with these parameters."]))


def compare_params(params: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Returns the lines that tell how two sets of parameters differ; none when they agree.

    >>> import numpy as np
    >>> compare_params({"a/kernel": np.zeros((2, 3), np.float32)}, {"a/kernel": np.zeros((2, 4), np.float32)})
    ['1 of another shape:', '  a/kernel: config says (2, 4), file has (2, 3)']
    """
    missing = sorted(expected.keys() - params.keys())
    extra = sorted(params.keys() - expected.keys())
    shared = sorted(params.keys() & expected.keys())
    misshapen = {
        path: f": config says {_shape(expected[path])}, file has {_shape(params[path])}"
        for path in shared
        if _shape(params[path]) != _shape(expected[path])
    }
    numberless = {
        path: f": {params[path].dtype}, not real numbers"
        for path in shared
        if not jnp.issubdtype(params[path].dtype, jnp.floating)
    }
    kinds = {
        "missing": _whole_modules(missing, expected),
        "not in the policy": _whole_modules(extra, params, renamed_from=missing, shapes=expected),
        "of another shape": misshapen,
        "of another kind": numberless,
    }
    counts = {
        "missing": len(missing),
        "not in the policy": len(extra),
        "of another shape": len(misshapen),
        "of another kind": len(numberless),
    }
    return [line for kind, entries in kinds.items() if entries for line in _section(kind, counts[kind], entries)]


def _section(kind: str, count: int, entries: Mapping[str, str]) -> list[str]:
    alike: dict[tuple[str, str], list[str]] = {}
    for path, detail in entries.items():
        alike.setdefault((re.sub(r"\d+", "*", path), detail), []).append(path)
    lines = [
        f"  {paths[0]}{detail}" if len(paths) == 1 else f"  {pattern}{detail}, {len(paths)} times"
        for (pattern, detail), paths in alike.items()
    ]
    more = [f"  ... and {len(lines) - _SHOWN} more lines like these"] if len(lines) > _SHOWN else []
    return [f"{count} {kind}:", *lines[:_SHOWN], *more]


def _whole_modules(
    paths: Iterable[str],
    among: Mapping[str, Any],
    *,
    renamed_from: Iterable[str] = (),
    shapes: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Returns {path: detail}, with modules whose parameters all are in `paths` as one entry."""
    chosen = set(paths)
    modules: dict[str, str] = {}
    for path in sorted(chosen):
        module = _largest_module(path, chosen, among)
        if module is None:
            modules[path] = f" {_shape(among[path])}" + _old_name(path, among, renamed_from, shapes or {})
        else:
            count = sum(other.startswith(module) for other in chosen)
            modules[module.rstrip("/")] = f": all {count} parameters of it"
    return modules


def _largest_module(path: str, chosen: set[str], among: Mapping[str, Any]) -> str | None:
    parts = path.split("/")
    for depth in range(1, len(parts)):
        module = "/".join(parts[:depth]) + "/"
        inside = [other for other in among if other.startswith(module)]
        if len(inside) > 1 and chosen.issuperset(inside):
            return module
    return None


def _old_name(path: str, among: Mapping[str, Any], missing: Iterable[str], shapes: Mapping[str, Any]) -> str:
    fitting = [other for other in missing if _shape(shapes[other]) == _shape(among[path])]
    matches = difflib.get_close_matches(path, fitting, n=1, cutoff=_SIMILAR)
    return f"; is it the missing '{matches[0]}'?" if matches else ""


def _shape(array: Any) -> tuple[int, ...]:
    return tuple(array.shape)
