"""Checkpoint folders written as the official program writes them: same files, same tree, same bytes.

A folder appears whole or not at all: everything is written into a hidden folder beside it, which is renamed at the end.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np
from flax import serialization, traverse_util

from octoscope.checkpoints.json_file import read_json
from octoscope.errors import CheckpointError, OutputError
from octoscope.policies.octo.checkpoint.checkpoint import (
    CONFIG,
    EXAMPLE_BATCH,
    find_steps,
    read_msgpack,
)
from octoscope.policies.octo.checkpoint.config import apply_shims, shim_example_batch
from octoscope.policies.octo.checkpoint.statistics import STATISTICS, read_statistics
from octoscope.run_lock import RunLock
from octoscope.staging import STAGING, make_staging, remove_abandoned

# Flax splits arrays above this size.
_LARGEST = 2**30
_ARRAY = 1
_DICT_KEY = 2
# What of a training config makes the policy; the rest may differ from one save to the next.
_POLICY = ("model", "text_processor", "octoscope_note")


def write_checkpoint(
    directory: Path,
    *,
    step: int,
    config: Mapping[str, Any],
    params: Mapping[str, Any],
    example_batch: Mapping[str, Any],
    dataset_statistics: Mapping[str, Any],
    text_files: Mapping[str, Path] | None = None,
) -> None:
    """Writes a checkpoint folder that the official program reads, or adds a step to one of the same policy.

    Args:
      directory: A new or empty folder, or a checkpoint of the same policy; then its metadata is kept, as the official program does.
      step: Training step of the parameters.
      config: The whole config.
      params: Nested dicts of arrays; written one at a time.
      example_batch: One example, batch size 1.
      dataset_statistics: By dataset; {"": statistics} leaves the dataset's level out.
      text_files: Tokenizer files to put beside, by their place in the folder: {"t5-base/tokenizer.json": ...}.

    Raises:
      CheckpointError: If the folder holds another policy, this step, or something else.
      OutputError: If it cannot be written.
    """
    adding = directory.is_dir() and any(directory.iterdir())
    if adding:
        check_same_policy(directory, step, config=config, batch=example_batch, statistics=dataset_statistics)
    with staged_directory(directory / str(step) if adding else directory) as folder:
        if not adding:
            statistics = dataset_statistics.get("", dataset_statistics)
            (folder / CONFIG).write_text(json.dumps(config))
            (folder / EXAMPLE_BATCH).write_bytes(serialization.msgpack_serialize(dict(example_batch)))
            (folder / STATISTICS).write_text(json.dumps(_to_lists(statistics)))
            copy_files(text_files or {}, folder)
        item = (folder if adding else folder / str(step)) / "default"
        item.mkdir(parents=True)
        with (item / "checkpoint").open("wb") as file:
            write_msgpack(file, params)
        (item / "_METADATA").write_text(json.dumps(_orbax_metadata(params)))


@contextlib.contextmanager
def staged_directory(directory: Path) -> Iterator[Path]:
    """Gives a hidden folder beside `directory` to write into, and renames it to that when all went well.

    Args:
      directory: A folder that does not exist yet, or is empty.

    Raises:
      OutputError: If it cannot be written.
    """
    prefix = f".{directory.name}{STAGING}"
    staging: Path | None = None
    lock: RunLock | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(directory.parent, prefix)
        staging, lock = make_staging(directory.parent, prefix)
        # Folders made this way are for their maker alone; this one gets the rights that any new folder has.
        (staging / "new").mkdir()
        yield staging / "new"
        (staging / "new").replace(directory)
    except OSError as error:
        raise OutputError(f"{directory} cannot be written ({error.strerror or error}). Give another folder.") from error
    finally:
        if staging is not None and lock is not None:
            lock.release()
            shutil.rmtree(staging, ignore_errors=True)


def check_same_policy(
    directory: Path, step: int, *, config: Mapping[str, Any], batch: Mapping[str, Any], statistics: Mapping[str, Any]
) -> None:
    """Refuses to write into a folder that holds anything but other steps of the same policy.

    Raises:
      CheckpointError: Saying what the folder holds.
    """
    if not (directory / CONFIG).is_file():
        names = ", ".join(sorted(path.name for path in directory.iterdir())[:10])
        raise CheckpointError(
            f"{directory} is not empty and holds no checkpoint, but: {names}. Give a new or an empty folder."
        )
    there = apply_shims(read_json(directory / CONFIG))
    differing = [name for name in _POLICY if _plain(there.get(name)) != _plain(config.get(name))]
    if not _same_arrays(read_statistics(directory), statistics):
        differing.append(STATISTICS)
    if _shapes(shim_example_batch(read_msgpack(directory / EXAMPLE_BATCH))) != _shapes(batch):
        differing.append(EXAMPLE_BATCH)
    if differing:
        raise CheckpointError(
            f"{directory} holds another policy: it differs in {', '.join(differing)}. Give a new folder."
        )
    if step in find_steps(directory):
        raise CheckpointError(
            f"{directory} has parameters of step {step} already. Give another step, or another folder."
        )


def copy_files(files: Mapping[str, Path], directory: Path) -> None:
    """Copies files to places below a folder."""
    for place, source in files.items():
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, directory / place)


def write_msgpack(file: BinaryIO, params: Mapping[str, Any]) -> None:
    """Writes nested arrays as `flax.serialization.msgpack_serialize` does, byte for byte, but one array at a time.

    Keys come sorted, as jax orders them.
    """
    packer = msgpack.Packer(strict_types=True)
    file.write(packer.pack_map_header(len(params)))
    for key in sorted(params):
        file.write(packer.pack(key))
        if isinstance(params[key], Mapping):
            write_msgpack(file, params[key])
        else:
            file.write(_pack_array(np.asarray(params[key])))


def _pack_array(array: np.ndarray) -> bytes:
    if array.nbytes > _LARGEST:
        return serialization.msgpack_serialize(array)
    payload = msgpack.packb(
        (array.shape, array.dtype.name, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    )
    assert payload is not None, "msgpack gives bytes or raises"
    return msgpack.Packer().pack(msgpack.ExtType(_ARRAY, payload))


def _orbax_metadata(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what orbax 0.4 and later lays beside the parameter file: the path of every parameter."""
    paths = sorted(traverse_util.flatten_dict(dict(params)))
    value = {"value_type": "jax.Array", "skip_deserialize": True}
    return {
        "tree_metadata": {
            str(path): {
                "key_metadata": [{"key": part, "key_type": _DICT_KEY} for part in path],
                "value_metadata": value,
            }
            for path in paths
        }
    }


def _plain(tree: Any) -> Any:
    return json.loads(json.dumps(tree))


def _shapes(batch: Mapping[str, Any]) -> dict[str, Any]:
    # The policy is made from these two; an example may carry more ("action"), which nobody reads.
    read = {name: batch[name] for name in ("observation", "task")}
    flat: dict[str, Any] = traverse_util.flatten_dict(read, sep="/")
    return {path: (np.shape(leaf), np.asarray(leaf).dtype) for path, leaf in flat.items()}


def _same_arrays(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same_arrays(first[key], second[key]) for key in first)
    return (
        not isinstance(first, Mapping) and not isinstance(second, Mapping) and np.array_equal(first, np.asarray(second))
    )


def _to_lists(tree: Any) -> Any:
    return {k: _to_lists(v) for k, v in tree.items()} if isinstance(tree, Mapping) else np.asarray(tree).tolist()
