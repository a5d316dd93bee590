"""Training pictures on disk: shards of consecutive-step pairs with the full state of both steps.

A data set is a folder with `dataset.json` and `shard_00000.npz`, `shard_00001.npz`, ... A shard depends on the data
set's seed and its own number only, so an interrupted job goes on where it stopped and ends with the same files.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory.tabletop.exploration import EXPLORATION_STEPS, explore
from factory.tabletop.pair_codec import encode_pair
from factory.tabletop.renderer import CAMERA_SIZES, TabletopRenderer
from factory.tabletop.state import State, concatenate, take
from octoscope.array_typing import Int, UInt8
from octoscope.errors import EpisodeError, OutputError

FORMAT = 1
PAIRS_PER_EPISODE = 4
PAIRS_PER_SHARD = 500
WINDOW = 2


@dataclass(frozen=True)
class Shard:
    """Pairs of consecutive steps: `states[0]` just before `states[1]`, pictures packed by `pair_codec`."""

    states: tuple[State, State]
    primary: list[bytes]
    wrist: list[bytes]


def write_shards(folder: Path, *, pairs: int, seed: int) -> Iterator[Path]:
    """Writes what is missing of a data set of at least `pairs` pairs; yields each shard's path once it is there.

    Raises:
      OutputError: If `folder` holds a data set of another seed or format.
    """
    claim_folder(folder, {"seed": seed, "pairs_per_shard": PAIRS_PER_SHARD, "steps": EXPLORATION_STEPS})
    with TabletopRenderer() as renderer:
        for number in range(shard_count(pairs)):
            path = folder / f"shard_{number:05d}.npz"
            if not path.exists():
                write_shard(path, make_shard(renderer, seed=seed, number=number, pairs=PAIRS_PER_SHARD))
            yield path


def shard_count(pairs: int) -> int:
    """Returns how many shards hold `pairs` pairs."""
    return -(-pairs // PAIRS_PER_SHARD)


def make_shard(renderer: TabletopRenderer, *, seed: int, number: int, pairs: int) -> Shard:
    """Draws and pictures the pairs of shard `number`."""
    rng = np.random.default_rng([seed, number])
    trajectory = explore(rng, -(-pairs // PAIRS_PER_EPISODE))
    first, second = _draw_pairs(rng, trajectory)
    states = take(first, slice(0, pairs)), take(second, slice(0, pairs))
    before, after = renderer.render_both(states[0]), renderer.render_both(states[1])
    packed = [
        [encode_pair(np.stack(pair)) for pair in zip(*views, strict=True)] for views in zip(before, after, strict=True)
    ]
    return Shard(states, *packed)


def read_shards(folder: Path) -> list[Shard]:
    """Returns all shards of a data set, in order.

    Raises:
      EpisodeError: If the folder holds none, or was written in another format.
    """
    paths = sorted(folder.glob("shard_*.npz"))
    if not paths:
        raise EpisodeError(
            f"`folder` must hold shard_*.npz, but {folder} has none. "
            f"Make them with: python -m factory.tabletop.generate -o {folder}"
        )
    written = json.loads((folder / "dataset.json").read_text())["format"]
    if written != FORMAT:
        raise EpisodeError(f"{folder} must be of format {FORMAT}, but is of format {written}. Generate it again.")
    return [_read(path) for path in paths]


def _draw_pairs(rng: np.random.Generator, trajectory: list[State]) -> tuple[State, State]:
    """Picks a few moments of each episode, and the moments just after them, episode by episode."""
    episodes, steps = len(trajectory[0]), len(trajectory) - 1
    moments = rng.permuted(np.tile(np.arange(steps), (episodes, 1)), axis=1)[:, :PAIRS_PER_EPISODE]
    history = concatenate(trajectory)
    rows = (moments * episodes + np.arange(episodes)[:, None]).ravel()
    return take(history, rows), take(history, rows + episodes)


def claim_folder(folder: Path, facts: dict[str, object]) -> None:
    """Notes what the folder's shards are, or checks that they are the same as asked for.

    Raises:
      OutputError: If they are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"format": FORMAT, **facts}
    note = folder / "dataset.json"
    if not note.exists():
        note.write_text(json.dumps(wanted) + "\n")
    elif (there := json.loads(note.read_text())) != wanted:
        raise OutputError(
            f"`-o` must be an empty folder or hold {wanted}, but {folder} holds {there}. Name another one."
        )


def write_shard(path: Path, shard: Shard) -> None:
    """Writes one shard under its name, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    for step, state in enumerate(shard.states):
        for field in dataclasses.fields(State):
            values = getattr(state, field.name)
            arrays[f"{field.name}_{step}"] = values.astype(np.float32) if values.dtype == np.float64 else values
    for camera in CAMERA_SIZES:
        arrays[f"{camera}_bytes"], arrays[f"{camera}_ends"] = _join(getattr(shard, camera))
    # A stop in the middle must not leave half a shard under its final name.
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    partial.replace(path)


def _read(path: Path) -> Shard:
    with np.load(path) as arrays:
        states = [
            State(**{f.name: arrays[f"{f.name}_{step}"] for f in dataclasses.fields(State)}) for step in range(WINDOW)
        ]
        packed = [_split(arrays[f"{camera}_bytes"], arrays[f"{camera}_ends"]) for camera in ("primary", "wrist")]
    return Shard((states[0], states[1]), *packed)


def _join(pieces: list[bytes]) -> tuple[UInt8[np.ndarray, " bytes"], Int[np.ndarray, " pieces"]]:
    return np.frombuffer(b"".join(pieces), np.uint8), np.cumsum([len(piece) for piece in pieces])


def _split(joined: UInt8[np.ndarray, " bytes"], ends: Int[np.ndarray, " pieces"]) -> list[bytes]:
    return [piece.tobytes() for piece in np.split(joined, ends[:-1])]
