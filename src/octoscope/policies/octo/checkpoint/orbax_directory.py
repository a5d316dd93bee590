"""Parameters in a directory of a newer orbax (OCDBT or zarr), read by tensorstore alone.

tensorstore comes with Flax, so this needs nothing that is not installed; orbax itself is not imported.
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.checkpoints.stored_params import ArraySpec, PathArrays, StoredParams, is_numeric
from octoscope.errors import CheckpointError

_MANIFEST = "manifest.ocdbt"
_METADATA = "_METADATA"
# Chunks may be compressed or left out, so that a few bytes can claim to be any number of them. The largest of T5-large has 132 MB.
_LARGEST_BYTES = 2**32
# The file that describes an array -> tensorstore's driver.
_DRIVERS = {".zarray": "zarr", "zarr.json": "zarr3"}


def is_orbax_directory(directory: Path) -> bool:
    """Returns whether a folder holds arrays as newer orbax lays them down."""
    return (directory / _MANIFEST).is_file() or any(
        (folder / name).is_file() for folder in directory.iterdir() if folder.is_dir() for name in _DRIVERS
    )


def open_orbax_directory(directory: Path) -> StoredParams:
    """Returns the parameters of an orbax directory, not yet read.

    Raises:
      CheckpointError: If tensorstore is missing, or an array is missing or broken.
    """
    metadata = _read_metadata(directory)
    ocdbt = (directory / _MANIFEST).is_file()
    # Keeps the directory's index between arrays, but hardly any of their entries.
    context = _tensorstore().Context({"cache_pool": {"total_bytes_limit": 16_000_000}})
    # Older orbax left chunks of zeros out, newer says that it writes every one.
    every_chunk = bool(metadata.get("store_array_data_equal_to_fill_value"))
    stores = {
        path: _open_array(directory, name, driver, ocdbt=ocdbt, every_chunk=every_chunk, context=context)
        for path, (name, driver) in _find_arrays(directory, metadata, ocdbt).items()
    }
    specs = {path: ArraySpec(tuple(store.shape), store.dtype.numpy_dtype) for path, store in stores.items()}
    for path, spec in specs.items():
        if not is_numeric(spec.dtype) or spec.nbytes > _LARGEST_BYTES:
            raise CheckpointError(
                f"{directory} says that '{path}' is {spec.shape} of {spec.dtype}, which no parameter of a policy is (numbers, at most "
                f"{_LARGEST_BYTES:,} bytes). Copy the whole folder again from its source."
            )

    def arrays() -> PathArrays:
        for path, store in stores.items():
            try:
                yield path, np.asarray(store.read().result())
            except (ValueError, OSError) as error:
                raise CheckpointError(_broken(directory, path, error)) from None

    files = tuple(sorted(path for path in directory.rglob("*") if path.is_file()))
    return StoredParams(f"orbax {'ocdbt' if ocdbt else 'zarr'}", files, specs, arrays)


def _read_metadata(directory: Path) -> Mapping[str, Any]:
    path = directory / _METADATA
    if not path.is_file():
        return {}
    try:
        metadata = json.loads(path.read_text())
        return metadata if isinstance(metadata["tree_metadata"], dict) else {}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not orbax's list of parameters ({error}). Copy it again from its source."
        ) from None


def _find_arrays(directory: Path, metadata: Mapping[str, Any], ocdbt: bool) -> dict[str, tuple[str, str]]:
    """Returns {parameter path: (name of its array, tensorstore's driver)}; orbax joins a path's parts by dots."""
    if metadata:
        try:
            paths = [tuple(str(part) for part in ast.literal_eval(key)) for key in metadata["tree_metadata"]]
        except (ValueError, SyntaxError, TypeError) as error:
            raise CheckpointError(f"{directory / _METADATA} holds a key that is no parameter path ({error}).") from None
        driver = "zarr3" if metadata.get("use_zarr3") else "zarr"
        return {"/".join(path): (".".join(path), driver) for path in paths}
    if ocdbt:
        store = _tensorstore().KvStore.open(_kvstore(directory)).result()
        keys = [key.decode() for key in store.list().result()]
    else:
        keys = [
            f"{folder.name}/{name}" for folder in directory.iterdir() for name in _DRIVERS if (folder / name).is_file()
        ]
    described = sorted(key.rpartition("/")[::2] for key in keys if key.endswith(tuple(_DRIVERS)))
    return {name.replace(".", "/"): (name, _DRIVERS[file]) for name, file in described}


def _open_array(directory: Path, name: str, driver: str, *, ocdbt: bool, every_chunk: bool, context: Any) -> Any:
    kvstore = (
        {**_kvstore(directory), "path": f"{name}/"} if ocdbt else {"driver": "file", "path": f"{directory / name}/"}
    )
    spec: dict[str, Any] = {"driver": driver, "kvstore": kvstore}
    if every_chunk:
        # A chunk that is not there was lost; without this it would be read as zeros.
        spec["fill_missing_data_reads"] = False
    try:
        return _tensorstore().open(spec, read=True, context=context).result()
    except (ValueError, OSError) as error:
        raise CheckpointError(_broken(directory, name.replace(".", "/"), error)) from None


def _kvstore(directory: Path) -> dict[str, Any]:
    return {"driver": "ocdbt", "base": f"file://{directory}/"}


def _tensorstore() -> Any:
    try:
        import tensorstore
    except ImportError:
        raise CheckpointError(
            "This checkpoint was written by a newer orbax, as a directory of arrays, which needs `pip install tensorstore`."
        ) from None
    return tensorstore


def _broken(directory: Path, path: str, error: Exception) -> str:
    first = str(error).strip().splitlines()[0][:200]
    return f"{directory} has no readable array for '{path}' ({first}). Copy the whole folder again from its source."
