"""Checkpoint folders on disk: found, read and written as the official program does.

    DIR/config.json  DIR/example_batch.msgpack  DIR/dataset_statistics.json  DIR/STEP/default/checkpoint

The parameter file is read through a memory map, so that loading holds one copy of the weights, not two.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax import serialization, traverse_util

from octoscope.errors import CheckpointError
from octoscope.octo.config import apply_shims, read_json, shim_example_batch

_SHOWN = 10


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds, before it becomes a policy."""

    directory: Path
    # Training step of the parameters.
    step: int
    config: dict[str, Any]
    # One example with batch size 1: {"observation": ..., "task": ...}.
    example_batch: dict[str, Any]
    # {dataset: {"action": {"mean": ..., "std": ...}, ...}}; leaves are arrays.
    dataset_statistics: dict[str, Any]

    @property
    def parameter_file(self) -> Path:
        """The one file with all parameters."""
        return self.directory / str(self.step) / "default" / "checkpoint"

    def read_params(self) -> dict[str, Any]:
        """Returns the parameters as nested dicts of arrays.

        Raises:
          CheckpointError: If the parameter file is missing or broken.
        """
        return read_msgpack(self.parameter_file)

    def digest(self) -> str:
        """Returns the SHA-256 of the parameter file, which tells checkpoints apart in a run's manifest."""
        with self.parameter_file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def open_checkpoint(directory: Path, *, step: int | None = None) -> Checkpoint:
    """Reads all of a checkpoint folder but its parameters.

    Args:
      directory: The folder that holds config.json.
      step: Which parameters, by training step; the latest by default.

    Raises:
      CheckpointError: If the folder or a file in it is missing or unreadable.
      ConfigError: If the config is not that of an Octo policy.
    """
    if not directory.exists():
        raise CheckpointError(
            f"There is no checkpoint at {directory}. Give a folder with config.json, 'hf://owner/name', or 'demo'."
        )
    if not (directory / "config.json").is_file():
        held = ", ".join(sorted(p.name for p in directory.iterdir())[:_SHOWN]) if directory.is_dir() else "a file"
        raise CheckpointError(
            f"{directory} is no Octo checkpoint: it has no config.json, it holds: {held or 'nothing'}. "
            "Give the folder that holds config.json and the step folders."
        )
    config = apply_shims(read_json(directory / "config.json"))
    example_batch = shim_example_batch(read_msgpack(directory / "example_batch.msgpack"))
    statistics = _to_arrays(read_json(directory / "dataset_statistics.json"))
    if "action" in statistics:
        # Fine-tuned on one dataset: the official program then leaves the dataset's level out.
        statistics = {"": statistics}
    return Checkpoint(directory, _find_step(directory, step), config, example_batch, statistics)


def _find_step(directory: Path, step: int | None) -> int:
    steps = sorted(int(p.name) for p in directory.iterdir() if p.is_dir() and p.name.isdigit())
    if not steps:
        raise CheckpointError(
            f"{directory} has a config but no parameters: no folder named by a training step ('300000') lies in it."
        )
    if step is None:
        return steps[-1]
    if step not in steps:
        raise CheckpointError(f"{directory} has no parameters of step {step}; it has steps {steps}.")
    return step


def read_msgpack(path: Path) -> dict[str, Any]:
    """Returns the tree of arrays in a Flax msgpack file.

    Raises:
      CheckpointError: If the file is missing, empty, truncated or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"A checkpoint needs the file {path}, which is missing.")
    size = path.stat().st_size
    if size == 0:
        raise CheckpointError(f"{path} is empty. Copy it again from its source.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            tree = serialization.msgpack_restore(content)  # pyright: ignore[reportArgumentType]  # any buffer will do
        except Exception as error:  # msgpack raises many kinds, down to UnicodeDecodeError
            raise CheckpointError(
                f"{path} cannot be read as a Flax parameter file ({type(error).__name__}: {error}). It has {size:,} bytes: "
                "compare with its source, it may be truncated; copy it again."
            ) from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path} holds a {type(tree).__name__}, not a tree of parameters.")
    return tree


def check_params(params: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compares a checkpoint's parameters with those the config's policy has.

    Raises:
      CheckpointError: Naming every missing, extra or misshapen parameter (the first ten of each kind).
    """
    have = _shapes(params)
    want = _shapes(expected)
    missing = [f"{path} {want[path]}" for path in sorted(want.keys() - have.keys())]
    extra = [f"{path} {have[path]}" for path in sorted(have.keys() - want.keys())]
    misshapen = [
        f"{path}: config says {want[path]}, file has {have[path]}"
        for path in sorted(want.keys() & have.keys())
        if want[path] != have[path]
    ]
    if not (missing or extra or misshapen):
        return
    lines = ["The parameters do not fit the policy that config.json describes."]
    for kind, entries in (("missing", missing), ("not in the policy", extra), ("of another shape", misshapen)):
        if entries:
            more = [f"... and {len(entries) - _SHOWN} more"] if len(entries) > _SHOWN else []
            lines += [f"{len(entries)} {kind}:", *(f"  {entry}" for entry in entries[:_SHOWN] + more)]
    lines.append("Use the config.json that was saved with these parameters.")
    raise CheckpointError("\n".join(lines))


def _shapes(tree: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    leaves: dict[str, Any] = traverse_util.flatten_dict(dict(tree), sep="/")
    return {path: np.shape(leaf) for path, leaf in leaves.items()}


def write_checkpoint(
    directory: Path,
    *,
    step: int,
    config: Mapping[str, Any],
    params: Mapping[str, Any],
    example_batch: Mapping[str, Any],
    dataset_statistics: Mapping[str, Any],
) -> None:
    """Writes a checkpoint folder that the official program reads; metadata that is already there is kept.

    Each file appears whole or not at all.
    """
    statistics = dataset_statistics.get("", dataset_statistics)
    metadata = {
        "config.json": json.dumps(config).encode(),
        "example_batch.msgpack": serialization.msgpack_serialize(dict(example_batch)),
        "dataset_statistics.json": json.dumps(_to_lists(statistics)).encode(),
    }
    target = directory / str(step) / "default"
    target.mkdir(parents=True, exist_ok=True)
    for name, content in metadata.items():
        if not (directory / name).exists():
            _write_whole(directory / name, content)
    _write_whole(target / "checkpoint", serialization.msgpack_serialize(dict(params)))


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)  # noqa: PTH105


def _to_arrays(tree: Any) -> Any:
    return {key: _to_arrays(value) for key, value in tree.items()} if isinstance(tree, dict) else np.array(tree)


def _to_lists(tree: Any) -> Any:
    return {k: _to_lists(v) for k, v in tree.items()} if isinstance(tree, Mapping) else np.asarray(tree).tolist()
