"""Frozen values taken apart into arrays and plain JSON, and put together again by their types alone.

What lies in a file never chooses a class: the types of the fields do. Sequences come back as tuples, NaN and infinities as they were,
runs as runs that lie on disk.
"""

import dataclasses
import math
import numbers
import re
import types
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin

import numpy as np
from jaxtyping import AbstractArray

from octoscope.plain_data import read_plain
from octoscope.runs.run import Run

# Beside the fields of a dataclass: its name, which tells it from the others of a union.
_CLASS = "class"
_ARRAY, _RUN = "array", "run"
_NO_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# A name of an array becomes one in a ZIP archive, and may be made of whatever a camera is called.
_UNFIT_FOR_NAMES = re.compile(r"[^\w .,=-]+")


@dataclass(frozen=True)
class TakenApart:
    """A value as JSON, with the arrays and runs that it names."""

    plain: Any
    # By names that say where in the value they lie: "effects/0/change".
    arrays: Mapping[str, np.ndarray]
    runs: Sequence[Run]


def take_apart(value: Any) -> TakenApart:
    """Returns a value as JSON, arrays and runs.

    Args:
      value: Dataclasses, sequences, mappings of texts, arrays, runs, numbers, texts, booleans, None, in any depth.

    Raises:
      TypeError: If something else is in it, saying where.

    >>> take_apart({"size": float("nan"), "change": np.zeros(2)}).plain
    {'size': 'nan', 'change': {'array': 'change'}}
    """
    parts = _Parts()
    plain = parts.plain(value, ())
    return TakenApart(plain, parts.arrays, tuple(parts.runs))


def put_together(kind: Any, parts: TakenApart) -> Any:
    """Returns the value of a type that was taken apart.

    Args:
      kind: A dataclass, or another type of those that `take_apart` takes.
      parts: From `take_apart`, or read.

    Raises:
      ValueError: If the parts are none of such a value, saying where, what was expected and what came.

    >>> put_together(float, TakenApart("-inf", {}, ()))
    -inf
    """

    def reader(kind: Any, value: Any, where: str) -> Any:
        if kind is Run:
            return parts.runs[_named(_RUN, value, range(len(parts.runs)), where)]
        if _is_array(kind):
            return _fitting(kind, parts.arrays[_named(_ARRAY, value, parts.arrays, where)], where)
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping) and _CLASS in value:
            fields = {name: entry for name, entry in value.items() if name != _CLASS}
            return read_plain(kind, fields, where, reader)
        if kind is float and isinstance(value, str) and value in _NO_NUMBERS:
            return _NO_NUMBERS[value]
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return _of_union(arguments, value, where, reader)
        if origin is Sequence:
            return read_plain(tuple[arguments[0], ...], value, where, reader)
        return NotImplemented

    return read_plain(kind, parts.plain, "", reader)


def _of_union(kinds: tuple[Any, ...], value: Any, where: str, reader: Any) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    wanted = [kind for kind in kinds if kind is not types.NoneType]
    if isinstance(value, Mapping) and _CLASS in value:
        wanted = [kind for kind in wanted if getattr(kind, "__name__", "") == value[_CLASS]]
    problems: list[str] = []
    for kind in wanted:
        try:
            return read_plain(kind, value, where, reader)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("; or ".join(problems) or f"{where} is of none of the classes that may be there")


def _is_array(kind: Any) -> bool:
    return kind is np.ndarray or (isinstance(kind, type) and issubclass(kind, AbstractArray))


def _fitting(kind: Any, array: np.ndarray, where: str) -> np.ndarray:
    if not isinstance(array, kind):
        raise ValueError(f"{where} must be {getattr(kind, '__name__', kind)}, is {array.dtype} of shape {array.shape}")
    return array


def _named(what: str, value: Any, known: Container[Any], where: str) -> Any:
    name = value.get(what) if isinstance(value, Mapping) else None
    if not isinstance(name, str | int) or isinstance(name, bool) or name not in known:
        raise ValueError(f"{where} must name an {what} that is there, is {str(value)[:60]!r}")
    return name


@dataclass(frozen=True)
class _Parts:
    """What was found so far."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def plain(self, value: Any, where: tuple[str, ...]) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, Run):
            return {_RUN: self._add_run(value)}
        if isinstance(value, np.ndarray):
            return {_ARRAY: self._add_array(value, where)}
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, numbers.Integral):
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value) if math.isfinite(value) else repr(float(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            entries = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
            return {_CLASS: type(value).__name__, **self._all(entries, where)}
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return self._all(value, where)
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [self.plain(entry, (*where, str(place))) for place, entry in enumerate(value)]
        raise TypeError(
            f"`{'/'.join(where) or 'value'}` must be a frozen dataclass, an array, a sequence, a mapping of texts, a number or a text, "
            f"is a {type(value).__name__}."
        )

    def _all(self, entries: Mapping[str, Any], where: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.plain(entry, (*where, name)) for name, entry in entries.items()}

    def _add_array(self, array: np.ndarray, where: tuple[str, ...]) -> str:
        # What NumPy's own format cannot say without pickling (object), or forgets (bfloat16).
        if array.dtype.kind not in "biufcSU":
            raise TypeError(f"`{'/'.join(where) or 'value'}` must be of numbers or texts, is {array.dtype}.")
        name = plain = "/".join(_UNFIT_FOR_NAMES.sub("_", part) or "_" for part in where) or "value"
        while name in self.arrays:
            name = f"{plain} ({len(self.arrays)})"
        self.arrays[name] = array
        return name

    def _add_run(self, run: Run) -> int:
        for place, other in enumerate(self.runs):
            if other is run:
                return place
        self.runs.append(run)
        return len(self.runs) - 1
