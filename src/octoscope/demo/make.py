"""Makes the embedded policy and episodes anew: `python -m octoscope.demo.make WORK`. Same seeds, same scenes and words.

WORK keeps the pictures (about 0.7 GB) and the training's state: stop it at any time and call it again. On two cores the pictures take a
quarter of an hour and the training hours; the last lines of the model card say how long it took.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from octoscope.demo.model_card import write_model_card
from octoscope.demo.scores.make import Scores
from octoscope.demo.tabletop_episodes import record_episodes
from octoscope.demo.training.batches import action_statistics
from octoscope.demo.training.export import read_state, write_policy
from octoscope.demo.training.policy_shape import DATASET
from octoscope.demo.training.state import TrainingState
from octoscope.demo.training.train import Train, split
from octoscope.embedded import files
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.tabletop.shards import write_shards
from octoscope.tabletop.training_data import TrainingData, load_training_data

_FRAMES = 40_000
_EPISODES_PER_FAMILY = 5


@dataclass(frozen=True)
class Make:
    """Pictures, training, scores, and what ships; each part is left out where it is done."""

    # Folder for everything that does not ship.
    work: Annotated[Path, tyro.conf.Positional]
    # Samples with one frame, then with two.
    single: int = 1_000_000
    double: int = 300_000
    # Samples of the comparison without auxiliary losses, and of the snapshot beside it; 0 leaves it out.
    compared: int = 100_000

    def __call__(self) -> None:
        """Does what is missing, then replaces both folders below `octoscope/embedded`."""
        data, main = self.work / "pictures", self.work / "training"
        for _ in write_shards(data, pairs=_FRAMES, seed=0):
            pass
        Train(data, main, single=self.single, double=self.double)()
        scores = _scored(self.work / "policy", main, data)
        compared = []
        for auxiliary in (True, False) if self.compared else ():
            name = "with" if auxiliary else "without"
            short = self.work / f"{name}_questions"
            Train(data, short, single=self.compared, double=0, auxiliary=auxiliary)()
            title = f"After {self.compared:,} examples with one frame, {name} auxiliary losses"
            compared.append((title, _scored(short / "policy", short, data, window=1, episodes=0)))
        ship(read_state(main), load_training_data(data), scores=scores, compared=compared, single=self.single)


def ship(state: TrainingState, data: TrainingData, *, scores: dict[str, Any], compared: list[Any], single: int) -> None:
    """Writes weights, card, scores and episodes into the package, replacing those that are there."""
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
        "single": min(single, state.samples),
        "double": max(0, state.samples - single),
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
        statistics = action_statistics(split(load_training_data(data))[0])
        shutil.rmtree(checkpoint, ignore_errors=True)
        write_policy(checkpoint, read_state(training), statistics=statistics)
        Scores(str(checkpoint), scores, episodes=episodes, window=window)()
    return json.loads(scores.read_text())


if __name__ == "__main__":
    tyro.cli(Make)()
