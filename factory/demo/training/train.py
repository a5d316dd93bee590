"""Trains the embedded policy: `python -m factory.demo.training.train DATA STATE`. Stop it at any time; it goes on from there.

DATA is what `python -m factory.tabletop.generate` wrote. STATE receives `state.msgpack` (everything, every few minutes) and
`curve.jsonl` (losses and held-out scores). Costs: see the model card.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from tqdm import tqdm

from factory.demo.training import policy_shape
from factory.demo.training.batches import action_statistics, policy_batch, stream_batches
from factory.demo.training.losses import Teacher, training_loss
from factory.demo.training.state import TrainingState, fresh_state, make_optimizer, widen_window
from factory.demo.word_tokenizer import word_tokenizer
from factory.tabletop.training_data import TrainingData, join, load_training_data, sample_batch
from octoscope.embedded.instructions import word_list
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.network.module import OctoModule

ENTRIES, FACTS = 28, 11
_HELD_OUT = 1000


@dataclass(frozen=True)
class Train:
    """Trains the embedded policy, in as many sittings as it takes."""

    # Training pairs, from `python -m factory.tabletop.generate`.
    data: Annotated[Path, tyro.conf.Positional]
    # Where the state and the curves are kept.
    state: Annotated[Path, tyro.conf.Positional]
    # Samples with one frame, then with two.
    single: int = 1_000_000
    double: int = 300_000
    # The learning rate: reached after the warm-up, kept through the single frames, then falling with the double ones.
    peak: float = 1e-3
    final: float = 3e-5
    warmup_steps: int = 300
    batch: int = 132
    # Examples that share a picture and differ in the words: the stem sees it once.
    tasks_per_pair: int = 3
    average_decay: float = 0.998
    # Pictures of where a policy went, from `python -m factory.demo.training.visits`, beside the others.
    visited: tuple[Path, ...] = ()
    # How often a picture is labelled with a task that the hand looks to be at.
    under_way: float = 0.6
    # The share of pictures drawn from those where the hand carries something.
    carrying: float = 0.0
    # Ask the tokens where things are.
    auxiliary: bool = True
    seed: int = 0
    # End this sitting after so many minutes.
    minutes: float = float("inf")

    def __call__(self) -> None:
        """Goes on from the state, if there is one."""
        data = load_training_data(self.data)
        training, held_out = split(data)
        # Of even labels of the first pictures, whatever is trained on: actions keep their units from sitting to sitting.
        statistics = action_statistics(training)
        training = join([training, *(load_training_data(folder) for folder in self.visited)])
        module, teacher = build_policy(), Teacher(ENTRIES, FACTS)
        state = fresh_state(module, teacher, policy_shape.example_batch(), seed=self.seed)
        file = self.state / "state.msgpack"
        state = state.restore(file) if file.exists() else state
        step = make_step(module, teacher, auxiliary=self.auxiliary, decay=self.average_decay)
        tokenizer = word_tokenizer(word_list())
        exam = sample_batch(held_out, np.random.default_rng(7), _HELD_OUT)
        examine = make_examination(module, teacher)
        started = saved = time.monotonic()
        with tqdm(total=self.single + self.double, initial=state.samples, unit="sample") as bar:
            while state.samples < self.single + self.double and time.monotonic() - started < 60 * self.minutes:
                window = 1 if state.samples < self.single else policy_shape.WINDOW
                if window > 1 and state.window == 1:
                    state = widen_window(state)
                state = replace(state, window=window)
                goal = self.single if window == 1 else self.single + self.double
                batches = stream_batches(
                    training,
                    tokenizer,
                    statistics,
                    seed=self.seed + state.steps,
                    batch=self.batch,
                    window=window,
                    tasks_per_pair=self.tasks_per_pair,
                    under_way=self.under_way,
                    carrying=self.carrying,
                )
                parts: dict[str, Any] = {}
                while state.samples < goal and time.monotonic() - started < 60 * self.minutes:
                    begun = time.monotonic()
                    rng = jax.random.fold_in(jax.random.PRNGKey(self.seed), state.steps)
                    params, average, optimizer, parts = step(
                        state.params, state.average, state.optimizer, next(batches), rng, self._rate(state)
                    )
                    jax.block_until_ready(parts)
                    state = replace(
                        state,
                        params=params,
                        average=average,
                        optimizer=optimizer,
                        steps=state.steps + 1,
                        samples=state.samples + self.batch,
                        seconds=state.seconds + time.monotonic() - begun,
                    )
                    bar.update(self.batch)
                    if state.steps % 50 == 0:
                        self._log(state, parts, kind="training")
                    if state.steps % 1000 == 0:
                        seen = policy_batch(exam, tokenizer, statistics, window=window)
                        self._log(state, examine(state.average, seen), kind="held_out")
                    if time.monotonic() - saved > 120:
                        state.save(file)
                        saved = time.monotonic()
                batches.close()
        state.save(file)

    def _rate(self, state: TrainingState) -> float:
        warm = min(1.0, (state.steps + 1) / self.warmup_steps)
        late = max(0.0, (state.samples - self.single) / max(self.double, 1))
        return warm * (self.peak + (self.final - self.peak) * min(1.0, late))

    def _log(self, state: TrainingState, parts: dict[str, Any], *, kind: str) -> None:
        numbers = {name: round(float(value), 5) for name, value in parts.items()}
        line = {"kind": kind, "samples": state.samples, "seconds": round(state.seconds), "window": state.window}
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "curve.jsonl").open("a") as file:
            file.write(json.dumps({**line, **numbers}) + "\n")


def build_policy() -> OctoModule:
    """Returns the policy without parameters."""
    return build_module(apply_shims(policy_shape.policy_config())["model"], lambda name: policy_shape.TEXT_SIZES)


def split(data: TrainingData) -> tuple[TrainingData, TrainingData]:
    """Returns the pairs to train on, and the last ones, which are only looked at."""

    def part(rows: slice) -> TrainingData:
        first, second = (jax.tree.map(lambda leaf: leaf[rows], vars(state)) for state in data.states)
        kind = type(data.states[0])
        return TrainingData((kind(**first), kind(**second)), data.primary[rows], data.wrist[rows])

    cut = max(len(data) - _HELD_OUT * 2, len(data) // 2)
    return part(slice(0, cut)), part(slice(cut, None))


def make_step(module: OctoModule, teacher: Teacher, *, auxiliary: bool, decay: float) -> Callable[..., Any]:
    """Returns the jitted training step; it takes and gives parameters, their average, and the optimiser."""
    optimizer = make_optimizer()

    def step(params: Any, average: Any, moments: Any, batch: Any, rng: jax.Array, rate: float) -> Any:
        def loss(params: Any) -> Any:
            return training_loss(params, module=module, teacher=teacher, batch=batch, rng=rng, auxiliary=auxiliary)

        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        updates, moments = optimizer.update(gradient, moments, params)
        params = optax.apply_updates(params, jax.tree.map(lambda leaf: -rate * leaf, updates))
        # While young, the average follows closely, or it would remember the random start.
        steps = moments[1].count
        keep = jnp.minimum(decay, steps / (steps + 20.0))
        average = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, average, params)
        return params, average, moments, parts

    return jax.jit(step, donate_argnums=(1, 2))


def make_examination(module: OctoModule, teacher: Teacher) -> Callable[..., dict[str, jax.Array]]:
    """Returns a function that gives the losses of parameters on a batch, without learning from it."""

    def examine(params: Any, batch: Any) -> dict[str, jax.Array]:
        rng = jax.random.PRNGKey(1)
        return training_loss(params, module=module, teacher=teacher, batch=batch, rng=rng, auxiliary=True)[1]

    return jax.jit(examine)


def main() -> None:
    """Reads the command line."""
    tyro.cli(Train)()


if __name__ == "__main__":
    main()
