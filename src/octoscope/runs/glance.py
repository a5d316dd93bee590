"""Whether a run is as it was written, told without opening any array: for lists, which must be there at once.

A manifest that is the one that was written, of arrays whose zarr.json files are, says what it said when the run was checked and laid down;
what is left to ask is whether all files are there. For a run without seals, or with anything amiss, the answer is None: `Run.open` tells.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octoscope.runs.chunk_files import ChunkFiles, missing_files
from octoscope.runs.stored_metadata import ATTRIBUTES, changed, metadata_files

# The first format whose runs have every file; `sound_run` knows the newest.
_WITH_ALL_FILES, _NEWEST = 2, 3


def glance_at(folder: Path) -> Mapping[str, Any] | None:
    """Returns the manifest of a whole run; None where only opening it can tell."""
    try:
        files = metadata_files(folder)
        attributes = json.loads(files[""])["attributes"]
        told = (attributes["format"], attributes["complete"])
        if type(told[0]) is not int or not _WITH_ALL_FILES <= told[0] <= _NEWEST or told[1] is not True:
            return None
        if ATTRIBUTES not in attributes or changed(attributes, files):
            return None
        nodes = {name: json.loads(content) for name, content in files.items()}
        arrays = {name: node for name, node in nodes.items() if node.get("node_type") == "array"}
        whole = all(
            missing_files(folder, name, ChunkFiles.from_metadata(node), attributes["steps"]) is None
            for name, node in arrays.items()
        )
    # Whatever shape the JSON has: `Run.open` says what is wrong with it.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    return attributes if whole else None
