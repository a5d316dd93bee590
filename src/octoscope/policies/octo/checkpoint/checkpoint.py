"""Checkpoint folders on disk: found, and read but for their parameters.

DIR/config.json  DIR/example_batch.msgpack  DIR/dataset_statistics.json
DIR/STEP/default/checkpoint     one Flax msgpack file, as the official program writes it
DIR/STEP/default/...            or a directory of arrays, as newer orbax writes it
DIR/STEP/params.safetensors     or one safetensors file, from `octoscope convert`
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax import serialization

from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.safetensors_file import open_safetensors
from octoscope.checkpoints.stored_params import StoredParams, require_file
from octoscope.errors import CheckpointError
from octoscope.policies.octo.checkpoint.config import apply_shims, shim_example_batch
from octoscope.policies.octo.checkpoint.msgpack_index import open_msgpack
from octoscope.policies.octo.checkpoint.orbax_directory import is_orbax_directory, open_orbax_directory
from octoscope.policies.octo.checkpoint.statistics import read_statistics

CONFIG = "config.json"
EXAMPLE_BATCH = "example_batch.msgpack"
SAFETENSORS = "params.safetensors"
# What orbax calls the parameters within a step; "" when it was given no name for them.
_ITEMS = ("default", "params", "")
_UNFINISHED = "orbax-checkpoint-tmp"
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

    def open_params(self) -> StoredParams:
        """Returns the parameters in whatever format they are stored, not yet read.

        Raises:
          CheckpointError: If they are missing or broken.
        """
        return open_params(self.directory, self.step)

    def digest(self) -> str:
        """Returns the SHA-256 of the parameter file, which tells checkpoints apart in a run's manifest.

        The same parameters in another format have another digest.
        """
        digest = hashlib.sha256()
        for path in self.open_params().files:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        return digest.hexdigest()


def open_checkpoint(directory: Path, *, step: int | None = None) -> Checkpoint:
    """Reads all of a checkpoint folder but its parameters.

    Args:
      directory: The folder that holds config.json.
      step: Which parameters, by training step; the latest by default.

    Raises:
      CheckpointError: If the folder or a file in it is missing or unreadable.
      ConfigError: If the config is not that of an Octo policy.
    """
    require_checkpoint(directory)
    config = apply_shims(read_json(directory / CONFIG))
    example_batch = shim_example_batch(read_msgpack(directory / EXAMPLE_BATCH))
    return Checkpoint(directory, choose_step(directory, step), config, example_batch, read_statistics(directory))


def require_checkpoint(directory: Path) -> None:
    """Refuses a folder that is missing or holds no checkpoint.

    Raises:
      CheckpointError: Saying what is there instead.
    """
    if not directory.exists():
        raise CheckpointError(
            f"There is no checkpoint at {directory}. Give a folder with config.json, 'hf://owner/name', or 'demo'."
        )
    if not (directory / CONFIG).is_file():
        there = ", ".join(sorted(p.name for p in directory.iterdir())[:_SHOWN]) if directory.is_dir() else "a file"
        raise CheckpointError(
            f"{directory} is no Octo checkpoint: it has no config.json, it holds: {there or 'nothing'}. "
            "Give the folder that holds config.json and the step folders."
        )


def find_steps(directory: Path) -> list[int]:
    """Returns the training steps that a folder has parameters of, lowest first."""
    return sorted(int(path.name) for path in directory.iterdir() if path.is_dir() and re.fullmatch("[0-9]+", path.name))


def unfinished_saves(directory: Path) -> list[str]:
    """Returns the folders that a save left when it was broken off, relative to the checkpoint."""
    folders = [path for path in (*directory.glob("*"), *directory.glob("*/*")) if path.is_dir()]
    return sorted(str(path.relative_to(directory)) for path in folders if _UNFINISHED in path.name)


def choose_step(directory: Path, step: int | None) -> int:
    """Returns the step asked for, or the latest.

    Raises:
      CheckpointError: If there is none, or not that one.
    """
    steps = find_steps(directory)
    if not steps:
        broken = unfinished_saves(directory)
        raise CheckpointError(
            f"{directory} has a config but no parameters: no folder named by a training step ('300000') lies in it."
            + (f" The save of {', '.join(broken)} was broken off." if broken else "")
        )
    if step is None:
        return steps[-1]
    if step not in steps:
        raise CheckpointError(f"{directory} has no parameters of step {step}; it has steps {steps}.")
    return step


def open_params(directory: Path, step: int) -> StoredParams:
    """Returns the parameters of one step, not yet read.

    Raises:
      CheckpointError: If they are missing or broken.
    """
    # A folder may be named "0300", which is step 300.
    folder = next(path for path in directory.iterdir() if re.fullmatch(f"0*{step}", path.name) and path.is_dir())
    if (folder / SAFETENSORS).is_file():
        return open_safetensors(folder / SAFETENSORS)
    for item in _ITEMS:
        if (folder / item / "checkpoint").is_file():
            return open_msgpack(folder / item / "checkpoint")
        if (folder / item).is_dir() and is_orbax_directory(folder / item):
            return open_orbax_directory(folder / item)
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:_SHOWN]) or "nothing"
    others = [other for other in find_steps(directory) if other != step]
    raise CheckpointError(
        f"Step {step} in {directory} has no parameters: neither default/checkpoint, nor a directory of newer orbax, nor "
        f"{SAFETENSORS}; it holds: {there}. Its save may have been broken off."
        + (f" Choose another step (`step`, --checkpoint-step): {others}." if others else "")
    )


def read_msgpack(path: Path) -> dict[str, Any]:
    """Returns the tree of arrays in a small Flax msgpack file.

    Raises:
      CheckpointError: If the file is missing, empty, truncated or something else.
    """
    require_file(path)
    try:
        tree = serialization.msgpack_restore(path.read_bytes())
    except Exception as error:  # msgpack raises many kinds, down to UnicodeDecodeError
        raise CheckpointError(
            f"{path} cannot be read as a Flax msgpack file ({type(error).__name__}: {error}). It has "
            f"{path.stat().st_size:,} bytes: compare with its source, it may be truncated; copy it again."
        ) from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path} holds a {type(tree).__name__}, not a tree of arrays.")
    return tree
