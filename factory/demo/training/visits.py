"""Pictures of where a policy goes by itself: `python -m factory.demo.training.visits CHECKPOINT -o DIR`.

A policy that has only seen the expert's ways does not know how to come back from its own. So it acts, and the expert labels where
it came to (Ross et al., 2011, "A reduction of imitation learning and structured prediction to no-regret online learning").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from factory.demo.scores.closed_loop import policy_actor
from factory.tabletop.closed_loop import EPISODE_STEPS
from factory.tabletop.evaluate import PolicyActor, PolicyInput, PolicyStep
from factory.tabletop.instructions import write_instructions
from factory.tabletop.pair_codec import encode_pair
from factory.tabletop.physics import step_physics
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.shards import Shard, claim_folder, write_shard
from factory.tabletop.state import State, concatenate, take
from factory.tabletop.tasks import PICK_UP, PUSH, PUT_NEXT_TO, Task, sample_tasks
from octoscope.embedded.table_names import FAMILIES
from octoscope.policies.octo.model import OctoModel

EPISODES_PER_SHARD = 50
PAIRS_PER_EPISODE = 20
# What the policy is asked to do: more of what takes longer.
_FAMILY_SHARES = {PICK_UP: 0.15, PUSH: 0.45, PUT_NEXT_TO: 0.4}


@dataclass(frozen=True)
class Visits:
    """Lets a policy act in fresh scenes and keeps pairs of consecutive pictures; run it again to go on after a stop."""

    # Checkpoint of the policy.
    checkpoint: Annotated[str, tyro.conf.Positional]
    # The folder to fill.
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Rounded up to whole shards of 50.
    episodes: int = 800
    # Of scenes, tasks and noise; another one for each policy.
    seed: int = 1
    # One of pick_up, push, put_next_to, for what the policy does badly; else all of them.
    family: str | None = None

    def __call__(self) -> None:
        """Writes the shards that are missing."""
        count = -(-self.episodes // EPISODES_PER_SHARD)
        shards = write_visits(self.output, self.checkpoint, shards=count, seed=self.seed, family=self.family)
        for _ in tqdm(shards, total=count, unit="shard"):
            pass


def write_visits(folder: Path, checkpoint: str, *, shards: int, seed: int, family: str | None = None) -> Iterator[Path]:
    """Writes what is missing of `shards` shards; yields each one's path once it is there.

    Raises:
      OutputError: If the folder holds the pictures of another seed or policy.
    """
    model = OctoModel.load_pretrained(checkpoint)
    claim_folder(folder, {"seed": seed, "visited_by": model.checkpoint.digest(), "family": family})
    with TabletopRenderer() as renderer:
        for number in range(shards):
            path = folder / f"shard_{number:05d}.npz"
            if not path.exists():
                write_shard(path, visit(model, renderer, seed=[seed, number], family=family))
            yield path


def visit(
    model: OctoModel,
    renderer: TabletopRenderer,
    *,
    seed: list[int],
    episodes: int = EPISODES_PER_SHARD,
    steps: int = EPISODE_STEPS,
    family: str | None = None,
) -> Shard:
    """Returns pairs of moments of episodes that the policy acted, as many of each."""
    rng = np.random.default_rng(seed)
    state = sample_scenes(rng, episodes)
    shares = {FAMILIES.index(family): 1.0} if family else _FAMILY_SHARES
    asked = rng.choice(list(shares), size=len(state), p=list(shares.values()))
    task = sample_tasks(rng, state)
    task = Task(asked, task.target, task.reference, task.direction)
    seen: list[PolicyInput] = []
    step = _remember(policy_actor(model, seed=int(rng.integers(1 << 30))), seen)
    actor = PolicyActor(step, renderer, write_instructions(rng, state, task))
    states = [state]
    for _ in range(steps):
        states.append(step_physics(states[-1], actor(states[-1])))
    return _pairs(rng, states[:-1], seen)


def _remember(step: PolicyStep, seen: list[PolicyInput]) -> PolicyStep:
    def remembering(given: PolicyInput) -> np.ndarray:
        seen.append(given)
        return step(given)

    return remembering


def _pairs(rng: np.random.Generator, states: list[State], seen: list[PolicyInput]) -> Shard:
    """Picks moments of each episode; the policy's own window holds the pictures of two consecutive ones."""
    moments = [np.sort(1 + rng.permutation(len(states) - 1)[:PAIRS_PER_EPISODE]) for _ in range(len(states[0]))]
    chosen = [(int(moment), row) for row, picked in enumerate(moments) for moment in picked]
    before, after = (
        concatenate([take(states[moment - back], slice(row, row + 1)) for moment, row in chosen]) for back in (1, 0)
    )
    primary = [encode_pair(seen[moment].primary[row]) for moment, row in chosen]
    wrist = [encode_pair(seen[moment].wrist[row]) for moment, row in chosen]
    return Shard((before, after), primary, wrist)


if __name__ == "__main__":
    tyro.cli(Visits)()
