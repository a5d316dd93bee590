"""Training pictures of the embedded ACT: `python -m factory.act.pictures FOLDER`. Run it again to go on after a stop.

A shard `shard_00000.npz` holds moments of noisy expert episodes in scenes with one red object: the picture, the state of the hand, and
the chunk of actions that the expert would do from there. It depends on the seed and its own number only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from factory.act.scenes import ACTION_ENTRIES, hand_state, red_scenes, red_task, wandering_tasks
from factory.tabletop.exploration import explore
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.shards import claim_folder
from factory.tabletop.state import State, concatenate, take
from factory.tabletop.training_data import expert_chunk, target_place
from octoscope.array_typing import Float32, UInt8
from octoscope.errors import EpisodeError

CHUNK = 8
PICTURES_PER_SHARD = 500
_STEPS, _PER_EPISODE = 18, 4


@dataclass(frozen=True)
class Pictures:
    """What the policy sees and should do, moment by moment."""

    # RGB, 0..255.
    primary: UInt8[np.ndarray, "moment height width 3"]
    # As `hand_state` gives it.
    hand: Float32[np.ndarray, "moment 4"]
    # The expert's next actions: x, y, z in units of `physics`, grip.
    actions: Float32[np.ndarray, "moment horizon 4"]
    # Where the red object appears, column and row from 0 to 1: to measure with, not to train on.
    place: Float32[np.ndarray, "moment 2"]

    def __len__(self) -> int:
        """Returns the number of moments."""
        return len(self.hand)


def write_pictures(folder: Path, *, pictures: int, seed: int) -> Iterator[Path]:
    """Writes what is missing of at least so many pictures; yields each shard's path once it is there.

    Raises:
      OutputError: If the folder holds those of another seed.
    """
    claim_folder(
        folder, {"seed": seed, "pictures_per_shard": PICTURES_PER_SHARD, "of": "one red object", "chunk": CHUNK}
    )
    with TabletopRenderer() as renderer:
        for number in range(-(-pictures // PICTURES_PER_SHARD)):
            path = folder / f"shard_{number:05d}.npz"
            if not path.exists():
                save(path, picture(renderer, draw_moments(np.random.default_rng([seed, number]), PICTURES_PER_SHARD)))
            yield path


def draw_moments(rng: np.random.Generator, count: int) -> State:
    """Draws moments of noisy episodes, a few of each."""
    episodes = -(-count // _PER_EPISODE)
    trajectory = explore(rng, episodes, steps=_STEPS, draw_scenes=red_scenes, draw_tasks=wandering_tasks)
    moments = rng.permuted(np.tile(np.arange(_STEPS + 1), (episodes, 1)), axis=1)[:, :_PER_EPISODE]
    rows = (moments * episodes + np.arange(episodes)[:, None]).ravel()
    return take(concatenate(trajectory), rows[:count])


def picture(renderer: TabletopRenderer, state: State) -> Pictures:
    """Returns the moments as the policy is shown them, with the expert's answer."""
    task = red_task(state)
    actions = expert_chunk(state, task, horizon=CHUNK)[:, :, ACTION_ENTRIES].astype(np.float32)
    return Pictures(renderer.render(state, "primary"), hand_state(state), actions, target_place(state, task))


def save(path: Path, pictures: Pictures) -> None:
    """Writes one shard under its name, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **vars(pictures))
    partial.replace(path)


def load(folder: Path) -> Pictures:
    """Returns all pictures of a folder, in order; 49 kB of memory each.

    Raises:
      EpisodeError: If it holds none.
    """
    paths = sorted(folder.glob("shard_*.npz"))
    if not paths:
        raise EpisodeError(
            f"`folder` must hold shard_*.npz, but {folder} has none. Make them: python -m factory.act.pictures {folder}"
        )
    shards = [dict(np.load(path)) for path in paths]
    return Pictures(**{name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]})


@dataclass(frozen=True)
class WritePictures:
    """Draws the training pictures; about 12 ms each."""

    # The folder to fill.
    folder: Annotated[Path, tyro.conf.Positional]
    pictures: int = 30_000
    seed: int = 0

    def __call__(self) -> None:
        """Writes what is missing."""
        shards = write_pictures(self.folder, pictures=self.pictures, seed=self.seed)
        for _ in tqdm(shards, total=-(-self.pictures // PICTURES_PER_SHARD), unit="shard"):
            pass


if __name__ == "__main__":
    tyro.cli(WritePictures)()
