"""The weights of a policy folder: model.safetensors, or the parts that model.safetensors.index.json names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.safetensors_file import map_safetensors
from octoscope.errors import CheckpointError

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """Returns the files that hold a folder's weights, the index of several among them.

    Raises:
      CheckpointError: If there is an index that cannot be read.
    """
    if (folder / _WHOLE).is_file() or not (folder / _INDEX).is_file():
        return [folder / _WHOLE]
    return [folder / _INDEX, *(folder / name for name in sorted(set(_places(folder).values())))]


def map_weights(folder: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a folder by name, read-only, as they lie in its files; see `map_safetensors`.

    Raises:
      CheckpointError: If a file is missing or broken, or the index and the parts do not hold the same arrays.
    """
    first, *parts = weight_files(folder)
    if not parts:
        return map_safetensors(first)
    places, arrays = _places(folder), {}
    for part in parts:
        stored = map_safetensors(part)
        named = {name for name, file in places.items() if file == part.name}
        if named != set(stored):
            differing = sorted(named ^ set(stored))
            raise CheckpointError(
                f"{first} and {part.name} do not hold the same arrays: {', '.join(differing[:3])}. Copy all parts again from one source."
            )
        arrays |= stored
    return arrays


def _places(folder: Path) -> Mapping[str, str]:
    """Returns the file of each array, each in the folder itself."""
    content = read_json(folder / _INDEX)
    places = content.get("weight_map") if isinstance(content, Mapping) else None
    if not isinstance(places, Mapping) or not places or not all(isinstance(file, str) for file in places.values()):
        raise CheckpointError(f"{folder / _INDEX} must hold `weight_map`, the file of each array. Copy it again.")
    return {str(name): Path(file).name for name, file in places.items()}
