"""A finding on disk: one folder that is there whole or not at all, and is read only when every byte is the one that was written.

findings/KIND/KEY/finding.json   format, kind, provenance, the value but for its arrays, and SHA-256 of every other file and of itself
findings/KIND/KEY/arrays.npz     the arrays, by where they lie in the value: "effects/0/change"; absent where there are none
findings/KIND/KEY/run_0.zarr     a run that is part of the value; an ordinary one, for `Run.open`

KEY is a digest of what the finding was made from, so that what is asked for again is found without looking into any.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from octoscope.errors import FindingError, OctoscopeError, OutputError
from octoscope.runs.durable_file import write_durably
from octoscope.runs.findings.finding_head import (
    FINDINGS,
    FORMAT,
    HEAD,
    HOW,
    SEAL,
    damaged_finding,
    digest_of,
    sealed_json,
    sound_content,
)
from octoscope.runs.findings.frozen_values import TakenApart, put_together, take_apart
from octoscope.runs.run import Run
from octoscope.staging import make_staging, remove_abandoned

_ARRAYS = "arrays.npz"


@dataclass(frozen=True)
class FindingKind:
    """What a finding is of: its name, the type of its value, and the number of that type's shape."""

    # A folder's name: "ablation".
    name: str
    # A dataclass, or another type that `put_together` takes.
    value: Any
    # Raised whenever fields change, so that nobody reads one shape for another.
    format: int = 1


def finding_path(folder: Path, kind: FindingKind, key: str) -> Path:
    """Returns where a finding lies in a folder of results."""
    return folder / FINDINGS / kind.name / key


def finding_key(kind: FindingKind, made_from: Mapping[str, Any]) -> str:
    """Returns the name of a finding: a digest of its kind and of everything that its value depends on.

    Args:
      kind: Of the finding.
      made_from: JSON; order within mappings does not count.

    >>> kind = FindingKind("ablation", float)
    >>> finding_key(kind, {"seed": 0, "step": 1}) == finding_key(kind, {"step": 1, "seed": 0})
    True
    """
    parts = {"kind": kind.name, "format": kind.format, "made_from": made_from}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def write_finding(
    path: Path, kind: FindingKind, value: Any, provenance: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Lays a value down, whole or not at all; one that another process laid down meanwhile is left as it is.

    Args:
      path: From `finding_path`.
      kind: Of the finding.
      value: Of the kind's type.
      provenance: JSON: what it was made from.
      overwrite: Replace what lies there.

    Raises:
      OutputError: If it cannot be written.
      TypeError: If the value holds what no finding can hold.
    """
    parts = take_apart(value)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        staging, lock = make_staging(path.parent)
        try:
            _write_parts(staging / "new", kind, parts, provenance)
            if overwrite and path.exists():
                path.rename(staging / "old")
            if not path.exists():
                (staging / "new").rename(path)
                _force_to_disk(path.parent)
        finally:
            lock.release()
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"The finding {path} cannot be written ({error.strerror or error}). Give another folder with -o."
        ) from error


def read_finding(path: Path, kind: FindingKind) -> Any:
    """Returns the value of a finding, after comparing every file with its SHA-256.

    Raises:
      FindingError: If there is none, it is damaged, or of another kind or format.
    """
    content = sound_content(path)
    shape = (content["kind"], content["kind_format"])
    if shape != (kind.name, kind.format):
        raise FindingError(
            f"{path} is a finding of the kind {shape[0]}, format {shape[1]}; expected {kind.name}, format {kind.format}. {HOW}"
        )
    try:
        return put_together(kind.value, TakenApart(content["value"], _arrays(path), _runs(path, content)))
    except (ValueError, OctoscopeError) as error:
        raise damaged_finding(path, str(error)) from None


def _write_parts(folder: Path, kind: FindingKind, parts: TakenApart, provenance: Mapping[str, Any]) -> None:
    folder.mkdir()
    if parts.arrays:
        write_durably(folder / _ARRAYS, archived(parts.arrays))
    for place, run in enumerate(parts.runs):
        for name, content in _stored(run.group.store).items():
            file = folder / f"run_{place}.zarr" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(file, content)
    content = {
        "format": FORMAT,
        "kind": kind.name,
        "kind_format": kind.format,
        "provenance": provenance,
        "value": parts.plain,
        "files": {name: digest_of((folder / name).read_bytes()) for name in _files(folder)},
    }
    sealed = {**content, SEAL: digest_of(sealed_json(content))}
    write_durably(folder / HEAD, json.dumps(sealed, indent=1).encode())


def archived(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Returns arrays as a compressed NumPy archive, the same bytes for the same arrays."""
    file = io.BytesIO()
    members: dict[str, Any] = dict(arrays)
    np.savez_compressed(file, **members)
    return file.getvalue()


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not (path / _ARRAYS).exists():
        return {}
    with np.load(path / _ARRAYS) as archive:
        return dict(archive)


def _runs(path: Path, content: Mapping[str, Any]) -> list[Run]:
    stores = {name.partition("/")[0] for name in content["files"] if name.startswith("run_")}
    return [Run.open(path / f"run_{place}.zarr") for place in range(len(stores))]


def _stored(store: Store) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        contents: dict[str, bytes] = {}
        async for name in store.list():
            buffer = await store.get(name, default_buffer_prototype())
            contents[name] = b"" if buffer is None else buffer.to_bytes()
        return contents

    return dict(sorted(sync(read()).items()))


def _files(folder: Path) -> list[str]:
    """Returns all files but the head, in order."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in names if name != HEAD)


def _force_to_disk(folder: Path) -> None:
    """Makes a rename in a folder outlast a power cut, where the system can do that."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
