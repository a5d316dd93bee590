"""Plain JSON read into dataclasses by their types, so that what does not fit is told by its place and never lands in one."""

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

# Reads what JSON has no type for: (type, value, where) -> the value, or NotImplemented where this is not for it.
Reader = Callable[[Any, Any, str], Any]
_NAMES = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false"}


def read_plain(kind: Any, value: Any, where: str, reader: Reader | None = None) -> Any:
    """Returns a value as a type asks for: lists as tuples, objects as dataclasses.

    Args:
      kind: int, float, str, bool, None, Any, a dataclass, a Literal, a union, tuple[X, ...], tuple[X, Y] or Mapping[str, X].
      value: From JSON.
      where: What the value is called in messages.
      reader: Is asked first, of every value.

    Raises:
      ValueError: If it does not fit, saying where, what was expected and what came.

    >>> read_plain(tuple[int, ...], [1, "2"], "steps")
    Traceback (most recent call last):
    ValueError: steps[1] must be a whole number, is '2'
    """
    if reader is not None and (read := reader(kind, value, where)) is not NotImplemented:
        return read
    origin, arguments = _parts(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where, reader)
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in arguments:
            return None
        (rest,) = (argument for argument in arguments if argument is not types.NoneType)
        return read_plain(rest, value, where, reader)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise _unfit(where, f"one of {', '.join(map(repr, arguments))}", value)
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where, reader)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _unfit(where, "an object", value)
        return {name: read_plain(arguments[1], entry, f"{where}.{name}", reader) for name, entry in value.items()}
    fits = isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not fits or (kind is float and not math.isfinite(value)):
        raise _unfit(where, _NAMES[kind], value)
    return value


def _read_dataclass(kind: Any, value: Any, where: str, reader: Reader | None) -> Any:
    if not isinstance(value, Mapping):
        raise _unfit(where, "an object", value)
    hints, fields = field_types(kind), dataclasses.fields(kind)
    unknown = [str(name) for name in value if name not in hints]
    if unknown:
        raise ValueError(f"{where} has an unknown entry {unknown[0]!r}")
    entries: dict[str, Any] = {}
    for field in fields:
        if field.name in value:
            place = f"{where}.{field.name}".lstrip(".")
            entries[field.name] = read_plain(hints[field.name], value[field.name], place, reader)
        elif field.default is dataclasses.MISSING:
            raise ValueError(f"{where}.{field.name}".lstrip(".") + " is missing")
    return kind(**entries)


def _read_tuple(arguments: tuple[Any, ...], value: Any, where: str, reader: Reader | None) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unfit(where, "a list", value)
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        raise _unfit(where, f"a list of {len(arguments)}", value)
    return tuple(
        read_plain(kind, entry, f"{where}[{index}]", reader)
        for index, (kind, entry) in enumerate(zip(arguments, value, strict=True))
    )


@functools.cache
def field_types(kind: type) -> dict[str, Any]:
    """Returns the types of a dataclass's fields by their names."""
    return get_type_hints(kind)


@functools.cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    # Half of the time of reading a manifest, if asked for every value.
    return get_origin(kind), get_args(kind)


def _unfit(where: str, expected: str, value: Any) -> ValueError:
    # Cut: a mutated value may be megabytes long, and a number too long to be written at all.
    try:
        came = repr(value)
    except ValueError:
        came = "a number of thousands of digits"
    return ValueError(f"{where} must be {expected}, is {came if len(came) <= 60 else came[:57] + '...'}")
