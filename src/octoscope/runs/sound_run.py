"""The one place where a run is looked over before anything is read from it: manifest, arrays, and every file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore

from octoscope.errors import RunError
from octoscope.runs.array_check import array_problems, check_sizes
from octoscope.runs.chunk_files import HOW, METADATA
from octoscope.runs.manifest_check import Manifest, check_manifest
from octoscope.runs.older_formats import OLDER, upgraded_manifest
from octoscope.runs.stored_arrays import stored_arrays
from octoscope.runs.stored_metadata import OWN, changed, metadata_files
from octoscope.runs.whole_chunks_store import WholeChunksStore
from octoscope.tokens.layout import TokenLayout

# 1: one file per step, all layers and keys. 2: shards, a selection of layers and keys, coordinates. 3: stacks and passes, rules and
# words as the policy states them.
FORMAT = 3
_READABLE = (1, 2, 3)
_SHOWN = 4


def open_sound(store: str | Path | Store) -> tuple[zarr.Group, Manifest, TokenLayout]:
    """Returns a finished run's group, manifest and layout, once all that can be told without reading arrays is in order.

    Costs one look at each file. What lies in the files is checked where it is read: zarr and its checksums see a changed byte, and
    the group's store (`WholeChunksStore`) sees a chunk that is gone since.

    Raises:
      RunError: If there is no run, it is not finished, of another format, or damaged; saying where and how.
    """
    folder = Path(store) if isinstance(store, str | Path) else None
    if folder is not None and not folder.is_dir():
        raise RunError(f"There is no run at {store} ({'a file' if folder.exists() else 'nothing'} is there).")
    try:
        attributes = dict(zarr.open_group(LocalStore(folder) if folder else store, mode="r").attrs)
    except Exception as error:  # zarr raises whatever its JSON leads it to
        if folder is not None and not (folder / METADATA).exists():
            raise RunError(f"There is no run at {store} (it has no {METADATA}).") from None
        raise _damaged(store, [f"{METADATA} cannot be read ({_cause(error)})"]) from None
    _check_format(store, attributes)
    try:
        return _look_over(store, folder, attributes)
    except RunError:
        raise
    # A manifest may be of any shape: deep, huge, of other types. What no check names is still damage.
    except Exception as error:
        raise _damaged(store, [_cause(error)]) from None


def _look_over(
    store: str | Path | Store, folder: Path | None, attributes: Mapping[str, Any]
) -> tuple[zarr.Group, Manifest, TokenLayout]:
    files = metadata_files(folder) if folder is not None else None
    problems = [] if files is None else changed(attributes, files)
    if problems:
        raise _damaged(store, problems)
    manifest = Manifest((name, value) for name, value in attributes.items() if name not in OWN)
    metadata = _arrays(zarr.open_group(store, mode="r")) if files is None else _arrays_on_disk(files)
    check_sizes(metadata)
    try:
        if manifest["format"] <= OLDER:
            shapes = {name: tuple(entries["shape"]) for name, entries in metadata.items()}
            manifest = Manifest(upgraded_manifest(manifest, shapes))
        layout = check_manifest(manifest)
    except ValueError as error:
        raise _damaged(store, [f"the manifest is wrong: {error}"]) from None
    problems = list(array_problems(manifest, layout, metadata, folder))
    if problems:
        raise _damaged(store, problems)
    # Only now: until it is checked, the manifest may say anything of which steps there are.
    guarded = _guarded(store, manifest, sparse=attributes["format"] < 2)
    return zarr.open_group(guarded, mode="r"), manifest, layout


def _check_format(store: str | Path | Store, attributes: Mapping[str, Any]) -> None:
    number = attributes.get("format")
    if type(number) is not int or number not in _READABLE:
        came = f"of format {str(number)[:20]}: get a newer octoscope" if "format" in attributes else "something else"
        raise RunError(f"{store} is no run of format {' or '.join(map(str, _READABLE))}, but {came}.")
    if attributes.get("complete") is not True:
        raise RunError(f"The run at {store} was not finished. Make it anew.")


def _guarded(store: str | Path | Store, manifest: Manifest, *, sparse: bool) -> Store:
    if isinstance(store, MemoryStore):
        # Cannot be damaged, and a step of the control loop holds frames of its window alone.
        return store
    inner = LocalStore(Path(store), read_only=True) if isinstance(store, str | Path) else store
    return WholeChunksStore(inner, steps=manifest["steps"], sparse=sparse)


def _arrays_on_disk(files: Mapping[str, bytes]) -> dict[str, Mapping[str, Any]]:
    nodes = {name: json.loads(content) for name, content in files.items()}
    return {name: node for name, node in nodes.items() if node.get("node_type") == "array"}


def _arrays(group: zarr.Group) -> dict[str, Mapping[str, Any]]:
    prototype = default_buffer_prototype()
    return {
        name: json.loads(array.metadata.to_buffer_dict(prototype)[METADATA].to_bytes())
        for name, array in stored_arrays(group)
    }


def _damaged(store: str | Path | Store, problems: list[str]) -> RunError:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return RunError(f"The run at {store} is damaged: {'; '.join(problems[:_SHOWN])}{more}. {HOW}")


def _cause(error: Exception) -> str:
    """Returns the first line of what was raised, cut: it may quote a whole file."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return text if len(text) <= 200 else text[:197] + "..."
