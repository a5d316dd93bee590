"""Whether the arrays of a run are those that its manifest speaks of: there, of these shapes and types, with every file."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.runs.chunk_files import ChunkFiles, missing_files, never_zero
from octoscope.runs.older_formats import OLDER
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.encoding_point import EncodingPoint
from octoscope.tokens.layout import TokenLayout

# As NumPy's `dtype.kind`.
_FLOAT, _WHOLE, _BOOL, _NUMBER = "f", "iu", "b", "fiub"


@dataclass(frozen=True)
class _Expected:
    name: str
    # None for any length.
    shape: tuple[int | None, ...]
    kinds: str
    required: bool = True


def array_problems(
    manifest: Mapping[str, Any], layout: TokenLayout, metadata: Mapping[str, Mapping[str, Any]], folder: Path | None
) -> Iterator[str]:
    """Yields what is wrong with the arrays of a run, a sentence each.

    Args:
      manifest: In order, as `check_manifest` says.
      layout: The manifest's.
      metadata: What is written of each array, by name.
      folder: Where the arrays lie, to look for their files; None for a run in memory.
    """
    for expected in _expected(manifest, layout):
        if expected.name not in metadata:
            if expected.required:
                yield f"{expected.name}: the array is missing"
            continue
        shape, kind = tuple(metadata[expected.name]["shape"]), np.dtype(metadata[expected.name]["data_type"]).kind
        if len(shape) != len(expected.shape) or any(
            wanted is not None and size != wanted for size, wanted in zip(shape, expected.shape, strict=True)
        ):
            told = ", ".join("any" if size is None else str(size) for size in expected.shape)
            yield f"{expected.name}: shape {shape}, the manifest asks for ({told})"
        if kind not in expected.kinds:
            yield f"{expected.name}: the numbers are stored as {metadata[expected.name]['data_type']}"
    if folder is not None:
        for name, entries in sorted(metadata.items()):
            if manifest["format"] > 1 or never_zero(name):
                problem = missing_files(folder, name, ChunkFiles.from_metadata(entries), manifest["steps"])
                if problem is not None:
                    yield problem


def _expected(manifest: Mapping[str, Any], layout: TokenLayout) -> Iterator[_Expected]:
    steps, length = len(manifest["steps"]), manifest["episode_length"]
    for name, kept in manifest["attention"].items():
        selection, stack = AttentionSelection.from_manifest(name, kept), layout.stack(name)
        passes = (len(selection.passes),) if stack.num_passes > 1 else ()
        keys = len(selection.key_places(layout))
        for group in selection.query_groups:
            rows = len(selection.query_places(layout, group))
            shape = (steps, *passes, len(selection.layers), stack.num_heads, rows, keys)
            array = f"attention/{group}" if manifest["format"] <= OLDER else selection.array_name(group)
            yield _Expected(array, shape, _FLOAT)
        yield _Expected(f"attention/{name}/step", (steps,), _WHOLE, required=False)
    yield _Expected("token_pad", (steps, layout.size), _BOOL)
    yield _Expected("frame_index", (steps, layout.window), _WHOLE)
    yield _Expected("timestep_pad_mask", (steps, layout.window), _BOOL)
    yield _Expected("actions", (steps, None, None), _FLOAT)
    yield _Expected("actions_robot", (steps, None, None), _FLOAT, required=False)
    yield _Expected("recorded_actions", (None, None), _NUMBER, required=False)
    for camera in layout.cameras:
        yield _Expected(f"frames/{camera}", (length, None, None, 3), "u")
        yield _Expected(f"masks/{camera}", (length, None, None), _WHOLE + _BOOL, required=False)
    yield _Expected("target_id", (length,), _WHOLE + _BOOL, required=False)
    for point in map(EncodingPoint.from_json, manifest.get("encodings", ())):
        yield _Expected(f"encodings/{point.name}", point.shape if point.constant else (steps, *point.shape), _FLOAT)
    for name in ("step", "attention/step"):
        yield _Expected(name, (steps,), _WHOLE, required=False)


def check_sizes(metadata: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses what no array has, before anything is computed from it.

    Raises:
      ValueError: Naming the array.
    """
    for name, entries in metadata.items():
        files = ChunkFiles.from_metadata(entries)
        numbers = (*files.shape, *files.file_shape, *(files.chunk_shape or ()))
        if not all(type(number) is int for number in numbers):
            raise ValueError(f"{name}: lengths that are no whole numbers")
        cut = (*files.file_shape, *(files.chunk_shape or ()))
        same = len(files.shape) == len(files.file_shape) == len(files.chunk_shape or files.file_shape)
        if not same or any(size < 0 for size in files.shape) or any(size < 1 for size in cut):
            raise ValueError(f"{name}: lengths that do not fit together")
        if math.prod(files.shape) > 10**12 or files.count > 10**7:
            raise ValueError(f"{name}: {files.shape} is larger than any run")
