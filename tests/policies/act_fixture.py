"""The tiny ACT that LeRobot made: its folder, made whole, and what LeRobot itself gave."""

import json
import shutil
from pathlib import Path

import numpy as np
import safetensors.numpy

ACT_TINY = Path(__file__).parent / "act_tiny"
SHARED_ACT_TINY = Path(__file__).parents[3] / "shared" / "fixtures" / "lerobot" / "act_tiny"


def unpacked_act(folder: Path) -> Path:
    """Makes the policy's folder whole and returns it."""
    shutil.copytree(ACT_TINY / "policy", folder, dirs_exist_ok=True)
    safetensors.numpy.save_file(packed_weights(), folder / "model.safetensors")
    return folder


def packed_weights() -> dict[str, np.ndarray]:
    with np.load(ACT_TINY / "weights.npz") as file:
        names = json.loads(file["names"].tobytes())
        dense, gaps, values = (_joined(file[key]) for key in ("dense", "gap", "value"))
    weights, start = {}, 0
    for name, shape in names["dense"].items():
        weights[name] = dense[start : start + np.prod(shape)].view(np.float32).reshape(shape)
        start += np.prod(shape)
    start = 0
    for name, (*shape, count) in names["sparse"].items():
        entries = np.zeros(np.prod(shape), np.float32)
        chosen = slice(start, start + count)
        entries[np.cumsum(gaps[chosen].astype(np.int64))] = values[chosen].view(np.float32)
        weights[name], start = entries.reshape(shape), start + count
    return weights


def expected() -> dict[str, np.ndarray]:
    with np.load(ACT_TINY / "io.npz") as file:
        return {key: file[key] for key in file.files}


def _joined(planes: np.ndarray) -> np.ndarray:
    """Entries whose first bytes lie together, then their second: they compress better so."""
    kind = {2: np.uint16, 4: np.uint32}[len(planes)]
    return np.ascontiguousarray(planes.T).view(kind).reshape(-1)
