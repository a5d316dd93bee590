"""What a study returns as JSON, for scripts: tables as rows, runs by path and subject, null for numbers that are not known."""

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.render.view import View
from octoscope.runs.column_table import ColumnTable
from octoscope.runs.run import Run

# Larger arrays are pictures and weights, which files hold: their shape is told.
_MOST_NUMBERS = 1000


def plain_outcome(value: Any) -> Any:
    """Returns a value as JSON.

    >>> plain_outcome({"change": np.float32(0.5), "floor": float("nan"), "steps": (1, 2)})
    {'change': 0.5, 'floor': None, 'steps': [1, 2]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path | Enum):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, np.generic):
        return plain_outcome(value.item())
    if isinstance(value, np.ndarray):
        few = value.size <= _MOST_NUMBERS
        return plain_outcome(value.tolist()) if few else {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Mapping):
        return {str(name): plain_outcome(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_outcome(entry) for entry in value]
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, Run):
        manifest = value.manifest
        known = {name: manifest.get(name) for name in ("policy", "episode", "instruction")}
        shape = {"steps": value.steps, "layers": value.layers, "heads": value.num_heads}
        return plain_outcome({"run": str(getattr(value.group.store, "root", "")), **known, **shape})
    if isinstance(value, ColumnTable):
        return [
            dict(zip(value.columns, map(plain_outcome, row), strict=True))
            for row in zip(*value.columns.values(), strict=True)
        ]
    for name in ("to_json", "columns"):
        if callable(method := getattr(value, name, None)):
            return plain_outcome(method())
    # What is drawn is in files.
    if isinstance(value, View) or not dataclasses.is_dataclass(value):
        return type(value).__name__
    return {each.name: plain_outcome(getattr(value, each.name)) for each in dataclasses.fields(value)}
