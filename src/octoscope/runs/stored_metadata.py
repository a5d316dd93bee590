"""The small files that say what a run's arrays are (zarr.json of each array and group): read, kept twice, and told from changed ones."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octoscope.runs.chunk_files import METADATA

# Entries of the group's attributes that are the store's own: SHA-256 of every metadata file but the first, and of all other attributes.
FILES, ATTRIBUTES = "metadata_sha256", "manifest_sha256"
OWN = (FILES, ATTRIBUTES)


def metadata_files(folder: Path) -> dict[str, bytes]:
    """Returns the content of every zarr.json of a store, by the name of its array or group; "" is the store itself."""
    contents: dict[str, bytes] = {}
    for parent, folders, files in os.walk(folder):
        # Chunks lie below "c", and may be thousands.
        folders[:] = sorted(name for name in folders if name != "c")
        if METADATA in files:
            name = Path(parent).relative_to(folder).as_posix()
            contents["" if name == "." else name] = (Path(parent) / METADATA).read_bytes()
    return contents


def seals(attributes: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Returns the entries by which `changed` tells later that nothing was changed.

    Args:
      attributes: All others, as they will be stored.
      files: From `metadata_files`.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items()) if name}
    return {FILES: digests, ATTRIBUTES: _digest({**attributes, FILES: digests})}


def changed(attributes: Mapping[str, Any], files: Mapping[str, bytes]) -> list[str]:
    """Returns what was changed or lost since the run was written; nothing for a run that was written without seals."""
    if ATTRIBUTES not in attributes:
        return []
    others = {name: value for name, value in attributes.items() if name != ATTRIBUTES}
    if _digest(others) != attributes[ATTRIBUTES]:
        return ["the manifest (the attributes in zarr.json) is not the one that was written"]
    problems: list[str] = []
    for name, digest in attributes[FILES].items():
        if name not in files:
            problems.append(f"{name}: {METADATA} is missing")
        elif hashlib.sha256(files[name]).hexdigest() != digest:
            problems.append(f"{name}: {METADATA} is not the one that was written")
    return problems


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
