"""The values of one stored RLDS episode: how many steps it has, and each value as an array over its steps.

A tf.train.Example stores flat lists; the shapes come from features.json, or are inferred from the number of steps.
A value whose length differs from step to step is stored as "ragged": all its rows, and how many each step has.
"""

import re
import zlib
from collections.abc import Mapping

import numpy as np

from octoscope.episodes.image_codec import MOST_PIXELS, is_encoded_image
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.tf_example import ExampleValue
from octoscope.errors import EpisodeError

Example = Mapping[str, ExampleValue]

STEPS = "steps/"
# Marks of an episode's ends, which say nothing that its length does not.
END_MARKS = ("steps/is_first", "steps/is_last", "steps/is_terminal")

# What TFDS calls numbers; complex ones are no Example's.
_DTYPES = (
    "bool",
    "float16",
    "float32",
    "float64",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
)
# Of one step's compressed value: a picture of the largest size, uncompressed.
_MOST_BYTES = 3 * MOST_PIXELS
_ONE_NUMBER_A_STEP = (*END_MARKS, "steps/reward", "steps/discount")
_RAGGED_VALUES = "/ragged_flat_values"
_RAGGED_LENGTHS = "/ragged_row_lengths_"


def count_steps(example: Example) -> int:
    """Returns how many steps the episode has.

    Raises:
      EpisodeError: If nothing in the Example tells, or the episode is empty.

    Example:
      >>> count_steps({"steps/is_first": np.array([1, 0, 0])})
      3
    """
    marks = [example[path] for path in _ONE_NUMBER_A_STEP if path in example]
    listed = [value for path, value in example.items() if path.startswith(STEPS) and isinstance(value, list)]
    rows = [value for path, value in example.items() if path.endswith(f"{_RAGGED_LENGTHS}0")]
    steps = next((len(value) for value in (*marks, *listed, *rows) if len(value)), 0)
    if not steps:
        raise EpisodeError(
            f"expected an RLDS episode with steps, got {', '.join(sorted(example)) or 'an empty record'}. "
            "Give a dataset whose records are whole episodes."
        )
    return steps


def example_features(example: Example, *, declared: Mapping[str, Feature]) -> dict[str, Feature]:
    """Returns the features of one episode: as declared, and for the rest what the number of steps tells.

    Args:
      example: The stored values of one episode.
      declared: What features.json says; may be empty.

    Raises:
      EpisodeError: If the values are no episode, or a list does not divide into the steps.
    """
    steps = count_steps(example)
    paths = {re.sub(f"({_RAGGED_VALUES}|{_RAGGED_LENGTHS}\\d+)$", "", path) for path in example}
    inferred = {path: _infer(example, path, steps) for path in paths if path.startswith(STEPS) and path not in declared}
    return {**inferred, **declared}


def stored_value(example: Example, path: str) -> ExampleValue | None:
    """Returns the flat values stored under `path`, ragged or not; None when there are none.

    >>> stored_value({"steps/text/ragged_flat_values": [b"lift", b"the cup"]}, "steps/text")
    [b'lift', b'the cup']
    """
    return example.get(path, example.get(path + _RAGGED_VALUES))


def step_array(example: Example, path: str, feature: Feature, *, steps: int) -> np.ndarray:
    """Returns a stored tensor as an array whose first axis is time.

    Args:
      example: The stored values of one episode.
      path: The tensor's path, which must be stored.
      feature: Its shape and dtype at one step.
      steps: How many steps the episode has.

    Returns:
      (time, *shape) of the feature's dtype; for ragged values an array of objects, one array per step.

    Raises:
      EpisodeError: If the stored values do not fit the shape or the number of steps.
    """
    if path in example:
        return _restore(example[path], path, feature, count=steps)
    rows = _restore(example[path + _RAGGED_VALUES], path, feature, count=-1)
    depth = sum(key.startswith(path + _RAGGED_LENGTHS) for key in example)
    for level in reversed(range(depth)):
        rows = _split_rows(rows, example.get(f"{path}{_RAGGED_LENGTHS}{level}", []), path)
    if len(rows) != steps:
        raise EpisodeError(f"'{path}' holds {len(rows)} rows for {steps} steps. The dataset was written wrongly.")
    return rows


def _infer(example: Example, path: str, steps: int) -> Feature:
    value = example.get(path)
    if value is None:
        flat = example.get(path + _RAGGED_VALUES, [])
        return Feature("text", (), "string") if isinstance(flat, list) else Feature("tensor", (), str(flat.dtype))
    if isinstance(value, list):
        is_image = bool(value) and is_encoded_image(value[0])
        return Feature("image", (-1, -1, 3), "uint8") if is_image else Feature("text", (), "string")
    if len(value) % steps:
        raise EpisodeError(
            f"'{path}' holds {len(value)} values, which do not divide into {steps} steps. "
            "Put the dataset's features.json beside its dataset_info.json."
        )
    size = len(value) // steps
    return Feature("tensor", () if size == 1 else (size,), str(value.dtype))


def _restore(values: ExampleValue, path: str, feature: Feature, *, count: int) -> np.ndarray:
    try:
        if feature.dtype not in _DTYPES:
            raise TypeError(f"known are {', '.join(_DTYPES)}")
        if isinstance(values, list):
            raw = b"".join(_inflate(value) if feature.encoding == "zlib" else value for value in values)
            flat = np.frombuffer(raw, feature.dtype)
        else:
            flat = _cast(values, feature.dtype)
        return flat.reshape(count, *feature.shape)
    except (TypeError, ValueError, zlib.error) as error:
        steps = f"{count} steps of" if count >= 0 else "rows of"
        raise EpisodeError(
            f"'{path}' holds {len(values)} stored values, which do not make {steps} {feature.dtype} {feature.shape} "
            f"({error}). Check that features.json belongs to these files."
        ) from error


def _inflate(value: bytes) -> bytes:
    """Returns the bytes of one step; a few compressed ones may claim to be gigabytes."""
    stream = zlib.decompressobj()
    raw = stream.decompress(value, _MOST_BYTES)
    if stream.unconsumed_tail:
        raise ValueError(f"the value of one step has more than {_MOST_BYTES:,} bytes")
    if not stream.eof:
        raise ValueError("a compressed value is cut off")
    return raw


def _cast(values: np.ndarray, dtype: str) -> np.ndarray:
    """Returns stored numbers in the dtype that was declared; a whole number that it cannot hold is no such number."""
    with np.errstate(invalid="ignore"):
        cast = values.astype(dtype)
    if cast.dtype.kind in "biu" and (cast != values).any():
        raise ValueError(f"a stored {values[cast != values][0]} is no {dtype}")
    return cast


def _split_rows(rows: np.ndarray, lengths: ExampleValue, path: str) -> np.ndarray:
    """Returns an array of objects, each the next `length` of the rows."""
    if isinstance(lengths, list) or lengths.dtype.kind != "i" or lengths.sum() != len(rows) or (lengths < 0).any():
        raise EpisodeError(f"'{path}' holds {len(rows)} rows, which its lengths do not add up to. Copy it again.")
    split = np.empty(len(lengths), object)
    for index, end in enumerate(np.cumsum(lengths)):
        split[index] = rows[end - lengths[index] : end]
    return split
