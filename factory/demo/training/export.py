"""Turns a training's state into the checkpoint that ships: `python -m factory.demo.training.export DATA STATE -o DIR`.

The moving average of the parameters is written, in float16: half the size; what it does to actions is in the model card.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from factory.demo.training import policy_shape
from factory.demo.training.batches import action_statistics
from factory.demo.training.losses import Teacher
from factory.demo.training.state import TrainingState, fresh_state
from factory.demo.training.train import ENTRIES, FACTS, build_policy, split
from factory.demo.word_tokenizer import word_tokenizer
from factory.tabletop.training_data import load_training_data
from octoscope.embedded.instructions import word_list
from octoscope.policies.octo.checkpoint.checkpoint_writer import write_checkpoint


@dataclass(frozen=True)
class Export:
    """Writes an official-format checkpoint of the trained policy, its tokenizer beside it."""

    # The training data, for the action statistics.
    data: Annotated[Path, tyro.conf.Positional]
    # The training's folder.
    state: Annotated[Path, tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # "float16" or "float32".
    dtype: str = "float16"

    def __call__(self) -> None:
        """Writes the folder."""
        state = read_state(self.state)
        statistics = action_statistics(split(load_training_data(self.data))[0])
        write_policy(self.output, state, statistics=statistics, dtype=self.dtype)


def read_state(folder: Path) -> TrainingState:
    """Returns the state that a training left in its folder."""
    empty = fresh_state(build_policy(), Teacher(ENTRIES, FACTS), policy_shape.example_batch(), seed=0)
    return empty.restore(folder / "state.msgpack")


def write_policy(directory: Path, state: TrainingState, *, statistics: dict[str, Any], dtype: str = "float16") -> None:
    """Writes the checkpoint; its step counts training steps."""
    lists = {name: np.asarray(value).tolist() for name, value in statistics.items()}
    write_checkpoint(
        directory,
        step=int(state.steps),
        config=policy_shape.policy_config(),
        params=jax.tree.map(lambda leaf: np.asarray(leaf, dtype), state.average["policy"]),
        example_batch=policy_shape.example_batch(),
        dataset_statistics={policy_shape.DATASET: {"action": lists}},
    )
    text = directory / policy_shape.TEXT_ENCODER
    text.mkdir(exist_ok=True)
    (text / "config.json").write_text(json.dumps(vars(policy_shape.TEXT_SIZES)))
    word_tokenizer(word_list()).save(str(text / "tokenizer.json"))


if __name__ == "__main__":
    tyro.cli(Export)()
