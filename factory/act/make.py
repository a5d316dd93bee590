"""Makes the embedded ACT and its episodes anew: `python -m factory.act.make WORK`. Same seeds, same scenes.

WORK keeps the pictures (2 GB) and the training's state: stop it at any time and call it again. The model card says how long it took.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from factory.act.card import write_model_card
from factory.act.episodes import DATASET, record_episodes
from factory.act.export import read_state, write_policy
from factory.act.pictures import load, write_pictures
from factory.act.scores import Scores
from factory.act.shape import ACT
from factory.act.train import Train, TrainingState, split, statistics_of
from factory.tabletop.renderer import TabletopRenderer
from octoscope.embedded import files
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.policies.act.backbone import backbone_field
from octoscope.policies.act.params import act_shapes

_NAME = "demo-act"


@dataclass(frozen=True)
class Make:
    """Pictures, training, scores, and what ships; each part is left out where it is done."""

    # Folder for everything that does not ship.
    work: Annotated[Path, tyro.conf.Positional]
    pictures: int = 40_000
    samples: int = Train.samples
    cooling: int = Train.cooling
    # Closed-loop episodes per seed.
    episodes: int = Scores.episodes
    # That ship.
    recorded: int = 4

    def __call__(self) -> None:
        """Does what is missing, then replaces the folder below `octoscope/embedded`."""
        pictures, training, policy = self.work / "pictures", self.work / "training", self.work / "policy"
        for _ in write_pictures(pictures, pictures=self.pictures, seed=0):
            pass
        Train(pictures, training, samples=self.samples, cooling=self.cooling)()
        state, seen = read_state(training), split(load(pictures))[0]
        write_policy(policy, state, statistics_of(seen))
        file = self.work / "scores.json"
        if not file.exists():
            Scores(policy, file, episodes=self.episodes)()
        scores = json.loads(file.read_text())
        facts = card_facts(policy, state, pictures=len(seen))
        ship(policy, write_model_card(facts, scores), scores, recorded=self.recorded)


def card_facts(policy: Path, state: TrainingState, *, pictures: int, history: str = "") -> dict[str, Any]:
    """Returns what the card says besides scores.

    Args:
      policy: The folder that ships.
      state: The training's end.
      pictures: Trained on.
      history: What else is to be said of this training, as lines of the card.
    """
    return {
        "pictures": pictures,
        "samples": state.samples,
        "hours": state.seconds / 3600,
        "machine": f"at most {os.cpu_count()} processor cores" if jax.default_backend() == "cpu" else "one GPU",
        "batch": Train.batch,
        "parameters": sum(state.average[name].size for name in act_shapes(ACT)),
        "idle": sum(leaf.size for name, leaf in state.average.items() if name.startswith("vae_")),
        "bytes": (policy / "model.safetensors").stat().st_size,
        "history": history,
        "field": backbone_field(ACT.backbone, dilated=ACT.dilated).size,
    }


def ship(policy: Path, card: str, scores: dict[str, Any], *, recorded: int) -> None:
    """Writes policy, card, scores and episodes into the package, replacing those that are there."""
    # First of all, because it can fail: without a simulator nothing is lost.
    with TabletopRenderer() as renderer:
        episodes = record_episodes(renderer, recorded)
    target = files.policy_directory(_NAME)
    for folder in (target, files.episodes_directory(_NAME)):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(policy, target)
    (target / "README.md").write_text(card)
    (target / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    write_rlds(files.episodes_directory(_NAME), name=DATASET, episodes={"train": episodes})


if __name__ == "__main__":
    tyro.cli(Make)()
