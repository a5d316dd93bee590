"""Statistics of a checkpoint's training data, read and checked in one place: nothing is scaled by numbers that cannot be right.

A file holds the statistics of many datasets, and a robot needs those of one: a fault is told when its dataset is used, and by
`octoscope doctor` at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.checkpoints.json_file import read_json
from octoscope.errors import CheckpointError
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type

STATISTICS = "dataset_statistics.json"
# What bringing numbers to and from the policy's scale needs.
NEEDED = {NormalizationType.NORMAL: ("mean", "std"), NormalizationType.BOUNDS: ("p01", "p99")}
_MASK = "mask"
# Given per dimension, needed or not.
_PER_DIMENSION = ("mean", "std", "p01", "p99", "min", "max", _MASK)


def read_statistics(directory: Path) -> dict[str, Any]:
    """Returns the statistics by dataset, as arrays, unchecked; the dataset is "" when the file has no such level.

    Raises:
      CheckpointError: If the file is missing or is no tree of numbers.
    """
    path = directory / STATISTICS
    try:
        statistics = _datasets(_to_arrays(read_json(path)))
    except ValueError as error:
        raise CheckpointError(f"{path} holds lists that are no rows of numbers ({error}).") from None
    if not isinstance(statistics, dict) or not all(isinstance(entry, dict) for entry in statistics.values()):
        raise CheckpointError(f"{path} must hold statistics by dataset, as {{'bridge_dataset': {{'action': ...}}}}.")
    return statistics


def find_statistics(
    statistics: Mapping[str, Any],
    dataset: str,
    field: str,
    *,
    config: Mapping[str, Any],
    kind: NormalizationType | None = None,
) -> dict[str, np.ndarray] | None:
    """Returns the checked statistics of one field of a dataset, `mask` among them; None where the checkpoint has none.

    Args:
      statistics: From `read_statistics`; those without a dataset's name serve any.
      dataset: Whose.
      field: "action" or "proprio".
      config: The checkpoint's, which says how they were used in training.
      kind: How they were used, where the config does not have the say.

    Raises:
      CheckpointError: If they are there and cannot be right.
      ConfigError: If they are there and the config names a normalisation that is not known.
    """
    name = dataset if dataset in statistics else ""
    entry = statistics.get(name, {}).get(field)
    if entry is None:
        return None
    kind = kind or normalization_type(config)
    faults = statistics_faults(entry, kind)
    if faults:
        raise CheckpointError(
            f"{fault_sentence(name, field, faults)} Copy {STATISTICS} again from its source, or mend it."
        )
    return complete_statistics(entry, kind)


def fault_sentence(dataset: str, field: str, faults: list[str]) -> str:
    """Returns one sentence that tells the faults of one field's statistics."""
    of = f" of '{dataset}'" if dataset else ""
    return f"The {field} statistics{of} in {STATISTICS} cannot be used: {'; '.join(faults)}."


def statistics_faults(entry: Any, kind: NormalizationType) -> list[str]:
    """Returns what is wrong with what is needed of one field's statistics; [] when nothing is.

    >>> statistics_faults({"mean": [0.0, 1.0], "std": [1.0]}, NormalizationType.NORMAL)
    ['`std` has length 1, `mean` has length 2']
    """
    if not isinstance(entry, Mapping):
        return [f"they must be an object with {_named(NEEDED[kind])}, not {_shown(entry)}"]
    lacking = [key for key in NEEDED[kind] if key not in entry]
    if lacking:
        hint = "; `q01` and `q99` are another program's names for `p01` and `p99`" if "q01" in entry else ""
        return [f"they lack {_named(lacking)}, which '{kind}' needs, and hold {', '.join(entry) or 'nothing'}{hint}"]
    used = [*NEEDED[kind], *([_MASK] if _MASK in entry else [])]
    faults = [fault for key in used for fault in _array_faults(key, entry[key])]
    return faults or _joint_faults({key: without_leading_axes(entry[key]) for key in used})


def unused_faults(entry: Any, kind: NormalizationType) -> list[str]:
    """Returns what is wrong with those of one field's statistics that this policy does not need."""
    if not isinstance(entry, Mapping) or statistics_faults(entry, kind):
        return []
    length = action_dimensions(complete_statistics(entry, kind))
    faults: list[str] = []
    for key in _PER_DIMENSION:
        if key in entry and key not in (*NEEDED[kind], _MASK):
            faults += _array_faults(key, entry[key]) or _length_faults(key, entry[key], length)
    return faults


def mended_axes(entry: Any) -> list[str]:
    """Returns the statistics of one field that are read without a leading axis of 1."""
    if not isinstance(entry, Mapping):
        return []
    return [
        key for key in _PER_DIMENSION if key in entry and np.shape(entry[key]) != without_leading_axes(entry[key]).shape
    ]


def complete_statistics(entry: Mapping[str, Any], kind: NormalizationType) -> dict[str, np.ndarray]:
    """Returns statistics without faults as arrays (dimension,), with a `mask` that is True where it says nothing."""
    arrays = {key: without_leading_axes(value) if key in _PER_DIMENSION else value for key, value in entry.items()}
    mask = arrays.get(_MASK, np.ones(arrays[NEEDED[kind][0]].shape, bool))
    return {**arrays, _MASK: mask.astype(bool)}


def action_dimensions(statistics: Mapping[str, Any]) -> int:
    """Returns how many dimensions checked statistics are of."""
    return len(statistics[_MASK])


def without_leading_axes(values: Any) -> np.ndarray:
    """Returns numbers per dimension without leading axes of 1, which say nothing: (1, 7) is read as (7,)."""
    array = np.asarray(values)
    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    return array


def _array_faults(key: str, values: Any) -> list[str]:
    array = without_leading_axes(values)
    if array.ndim != 1:
        came = f"a single value, {_shown(values)}" if array.ndim == 0 else f"shape {array.shape}"
        return [f"`{key}` must be a list with one entry per dimension, got {came}"]
    if not len(array):
        return [f"`{key}` is empty"]
    if key == _MASK:
        truths = array.dtype.kind == "b" or (array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all())
        return [] if truths else [f"`{key}` must hold true and false, got {_shown(values)}"]
    if array.dtype.kind not in "iuf":
        return [f"`{key}` must hold numbers, got {_shown(values)}"]
    # Octo computes in float32: what is too large for it is infinite there.
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(array.astype(np.float32))
    if bad.any():
        return [
            f"`{key}` must be finite, but {bad.sum()} of its {len(array)} numbers are not ({array[bad][0]} among them)"
        ]
    return [f"`{key}` must not be negative, got {array.min()}"] if key == "std" and array.min() < 0 else []


def _joint_faults(arrays: Mapping[str, np.ndarray]) -> list[str]:
    first, second = list(arrays)[:2]
    faults = [
        f"`{key}` has length {len(array)}, `{first}` has length {len(arrays[first])}"
        for key, array in arrays.items()
        if len(array) != len(arrays[first])
    ]
    if not faults and second == "p99" and (arrays["p01"] > arrays["p99"]).any():
        faults.append("`p01` lies above `p99`")
    return faults


def _length_faults(key: str, values: Any, length: int) -> list[str]:
    came = len(without_leading_axes(values))
    return [] if came == length else [f"`{key}` has length {came}, not {length}"]


def _named(keys: Any) -> str:
    return " and ".join(f"`{key}`" for key in keys)


def _shown(values: Any) -> str:
    text = str(np.asarray(values, object).tolist())
    return text if len(text) <= 60 else f"{text[:60]}..."


def _datasets(statistics: Any) -> Any:
    # Fine-tuned on one dataset: the official program then leaves the dataset's level out.
    return {"": statistics} if isinstance(statistics, dict) and "action" in statistics else statistics


def _to_arrays(tree: Any) -> Any:
    return {key: _to_arrays(value) for key, value in tree.items()} if isinstance(tree, dict) else np.array(tree)
