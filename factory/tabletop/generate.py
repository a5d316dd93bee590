"""Makes the training pictures: `python -m factory.tabletop.generate --frames 40000 --seed 0 -o DIR`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from factory.tabletop.shards import shard_count, write_shards


@dataclass(frozen=True)
class Generate:
    """Draws noisy expert episodes and stores pairs of consecutive pictures; run it again to go on after a stop.

    Example: python -m factory.tabletop.generate --frames 2000 --seed 1 -o output/validation
    """

    # The folder to fill.
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Pictures to train on, each stored with the one before it; rounded up to whole shards of 500.
    frames: int = 40_000
    # The same seed makes the same data set; take another one for validation.
    seed: int = 0


def main() -> None:
    """Reads the command line and writes the data set."""
    command = tyro.cli(Generate)
    shards = write_shards(command.output, pairs=command.frames, seed=command.seed)
    for _ in tqdm(shards, total=shard_count(command.frames), unit="shard"):
        pass


if __name__ == "__main__":
    main()
