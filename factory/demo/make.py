"""Makes the embedded policy and episodes anew: `python -m factory.demo.make WORK`. Same seeds, same scenes and words.

WORK keeps the pictures (about 0.7 GB) and the training's state: stop it at any time and call it again. On two cores the pictures take a
quarter of an hour and the training hours; the last lines of the model card say how long it took.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from factory.demo.model_card import write_model_card
from factory.demo.scores.make import Scores
from factory.demo.tabletop_episodes import record_episodes
from factory.demo.training.batches import action_statistics
from factory.demo.training.export import read_state, write_policy
from factory.demo.training.policy_shape import DATASET
from factory.demo.training.state import TrainingState
from factory.demo.training.train import Train, split
from factory.demo.training.visits import write_visits
from factory.tabletop.shards import write_shards
from factory.tabletop.training_data import TrainingData, load_training_data
from octoscope.embedded import files
from octoscope.episodes.rlds_writer import write_rlds

_FRAMES = 40_000
_EPISODES_PER_FAMILY = 5
# Of the last part of the training: shards of pictures where the policy went, and which hands are shown and asked about.
_VISITS = 18
_UNDER_WAY, _CARRYING = 0.9, 0.5


@dataclass(frozen=True)
class Make:
    """Pictures, training, scores, and what ships; each part is left out where it is done."""

    # Folder for everything that does not ship.
    work: Annotated[Path, tyro.conf.Positional]
    # Samples with one frame, then with two, then with pictures of where the policy went by itself.
    single: int = 1_000_000
    double: int = 200_000
    after: int = 200_000
    # Samples of the comparison without auxiliary losses, and of the snapshot beside it; 0 leaves it out.
    compared: int = 100_000

    def __call__(self) -> None:
        """Does what is missing, then replaces both folders below `octoscope/embedded`."""
        data, main = self.work / "pictures", self.work / "training"
        for _ in write_shards(data, pairs=_FRAMES, seed=0):
            pass
        visited = self.work / "visited"
        Train(data, main, single=self.single, double=self.double)()
        for _ in write_visits(visited, str(_exported(self.work / "visitor", main, data)), shards=_VISITS, seed=1):
            pass
        whole = self.double + self.after
        Train(
            data, main, single=self.single, double=whole, visited=(visited,), under_way=_UNDER_WAY, carrying=_CARRYING
        )()
        stages = (
            f"{self.single:,} examples with one frame, {Train.under_way:.0%} of hands that are busy asked about what they do",
            f"{self.double:,} with two frames",
            f"{self.after:,} with the policy's own visits too; {_UNDER_WAY:.0%} of busy hands asked about what they do, and in half of the "
            "pictures a hand that carries something",
        )
        scores = _scored(self.work / "policy", main, data)
        compared = []
        for auxiliary in (True, False) if self.compared else ():
            name = "with" if auxiliary else "without"
            short = self.work / f"{name}_questions"
            Train(data, short, single=self.compared, double=0, auxiliary=auxiliary)()
            title = f"After {self.compared:,} examples with one frame, {name} auxiliary losses"
            compared.append((title, _scored(short / "policy", short, data, window=1, episodes=0)))
        pictures, seen = load_training_data(data), len(load_training_data(visited))
        ship(read_state(main), pictures, scores=scores, compared=compared, visited=seen, stages=stages)


def ship(
    state: TrainingState,
    data: TrainingData,
    *,
    scores: dict[str, Any],
    compared: list[Any],
    visited: int,
    stages: Sequence[str],
) -> None:
    """Writes weights, card, scores and episodes into the package, replacing those that are there.

    Args:
      state: The training's end.
      data: What it was trained on.
      scores: From `factory.demo.scores.make`.
      compared: Titles and scores of other policies.
      visited: Pairs of pictures of where an earlier state of the policy went.
      stages: A line for each part of the training.
    """
    policy, episodes = files.policy_directory(), files.episodes_directory()
    # First of all, because it can fail: without a simulator nothing is lost.
    recorded = record_episodes(_EPISODES_PER_FAMILY)
    for folder in (policy, episodes):
        shutil.rmtree(folder, ignore_errors=True)
    write_rlds(episodes, name=DATASET, episodes={"train": recorded})
    training, _ = split(data)
    write_policy(policy, state, statistics=action_statistics(training))
    facts = {
        "pairs": len(training),
        "samples": state.samples,
        "visited": visited,
        "stages": stages,
        "hours": state.seconds / 3600,
        "machine": f"at most {os.cpu_count()} processor cores" if jax.default_backend() == "cpu" else "one GPU",
        "batch": Train.batch,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.average["policy"])),
    }
    (policy / "README.md").write_text(write_model_card(facts, scores, compared=compared))
    (policy / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")


def _scored(checkpoint: Path, training: Path, data: Path, *, window: int = 2, episodes: int = 100) -> dict[str, Any]:
    """Returns the scores of a training's policy; made once."""
    scores = checkpoint.with_name(checkpoint.name + "_scores.json")
    if not scores.exists():
        Scores(str(_exported(checkpoint, training, data)), scores, episodes=episodes, window=window)()
    return json.loads(scores.read_text())


def _exported(checkpoint: Path, training: Path, data: Path) -> Path:
    """Writes the checkpoint of a training; returns it."""
    if not (checkpoint / "config.json").exists():
        shutil.rmtree(checkpoint, ignore_errors=True)
        statistics = action_statistics(split(load_training_data(data))[0])
        write_policy(checkpoint, read_state(training), statistics=statistics)
    return checkpoint


if __name__ == "__main__":
    tyro.cli(Make)()
