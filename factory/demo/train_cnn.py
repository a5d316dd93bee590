"""Trains the embedded network of `octoscope.cnn`: python -m factory.demo.train_cnn PAIRS_FOLDER

Every cell of the layer `kinds` learns whether an object of each kind stands in it. About six minutes on two cores; Ctrl-C ends the
training early and keeps what was learnt.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array, Float
from tqdm import trange

from factory.tabletop.camera import PRIMARY_SIZE, patch_index, project
from factory.tabletop.pair_codec import decode_pair
from factory.tabletop.state import State, take
from factory.tabletop.training_data import TrainingData, load_training_data
from octoscope.capture.interrupt import StopAfterStep
from octoscope.cnn.networks.embedded_network import KINDS, WEIGHTS_FILE, initial_weights, table_network
from octoscope.embedded.files import cnn_directory
from octoscope.embedded.table_names import SHAPES

_CELLS = 16
# The last pairs of the data set; no episode of theirs is trained on.
_HELD_OUT = 2000


@dataclass(frozen=True)
class TrainCnn:
    """Train the embedded network on pictures that `python -m factory.tabletop.generate` wrote."""

    # Folder of the generated pairs.
    pairs: tyro.conf.Positional[Path]
    steps: int = 1200
    batch: int = 16
    seed: int = 0
    # Folder for the weights and their card.
    output: Path = field(default_factory=cnn_directory)

    def __call__(self) -> None:
        """Trains, measures on held-out scenes, and writes weights and card."""
        data = load_training_data(self.pairs)
        weights, steps = _train(data, self)
        kept = jax.tree.map(lambda array: np.asarray(array, np.float16), weights)
        exact, found, false = _measure(data, jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), kept))
        self.output.mkdir(parents=True, exist_ok=True)
        flat = {f"{node}/{name}": array for node, arrays in kept.items() for name, array in arrays.items()}
        np.savez_compressed(self.output / WEIGHTS_FILE, allow_pickle=False, **flat)
        seen = f"{steps} steps of {self.batch} pictures drawn from {len(data) - _HELD_OUT}, seed {self.seed}"
        (self.output / "README.md").write_text(_CARD.format(training=seen, exact=exact, found=found, false=false))


_CARD = """# A small network with learnt filters

- What: eight convolutions, 128 x 128 RGB pictures, 24 kinds of object (6 colours x 4 shapes); float16, MIT like the rest.
- Data: simulated table-tops with four objects and a robot arm, made by `python -m factory.tabletop.generate`.
- Training: `python -m factory.demo.train_cnn`: Adam, binary cross-entropy at each of 16 x 16 cells; {training}.
- Held-out scenes ({0} pictures): of the objects that stand in view {found:.1%} are found by `logits` > 0, with {false:.2f} kinds
  too many in a picture; all four right and nothing more in {exact:.1%}. The arm hides some objects.
- Not for: anything but these scenes. It shows filters, maps and sanity checks on a machine without published weights.
""".replace("{0}", str(_HELD_OUT))


def _train(data: TrainingData, options: TrainCnn) -> tuple[dict[str, dict[str, Array]], int]:
    rng = np.random.default_rng(options.seed)
    weights = initial_weights(rng)
    rate = optax.warmup_cosine_decay_schedule(0.0, 2e-3, options.steps // 20 + 1, options.steps)
    optimizer = optax.adamw(rate, weight_decay=1e-4)
    state = optimizer.init(weights)
    step = functools.partial(_step, optimizer)
    compiled = jax.jit(step, donate_argnums=(0, 1))
    bar = trange(options.steps, unit="step")
    with StopAfterStep() as interrupt:
        for number in bar:
            if interrupt.requested:
                return weights, number
            rows = rng.integers(len(data) - _HELD_OUT, size=options.batch)
            images, places = _pictures(data, rows), _targets(take(data.states[1], rows))
            if number % 2:
                images, places = images[:, :, ::-1], places[:, :, ::-1]
            weights, state, loss = compiled(weights, state, jnp.asarray(images, jnp.float32), jnp.asarray(places))
            if number % 100 == 0:
                bar.set_postfix(loss=float(loss))
    return weights, options.steps


def _step(optimizer: optax.GradientTransformation, weights: Any, state: Any, images: Array, places: Array) -> Any:
    loss, gradient = jax.value_and_grad(_loss)(weights, images, places)
    updates, state = optimizer.update(gradient, state, weights)
    return optax.apply_updates(weights, updates), state, loss


def _loss(weights: Mapping[str, Any], images: Array, places: Float[Array, "batch row column kind"]) -> Array:
    cut = table_network(weights).forward_to("kinds")
    scores = cut.apply(cut.parameters, images)
    each = optax.sigmoid_binary_cross_entropy(scores, places)
    # Next door to an object's middle the answer is a matter of taste.
    near = jax.lax.reduce_window(places, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    return jnp.sum(jnp.where(near > places, 0, each)) / len(images)


def _pictures(data: TrainingData, rows: np.ndarray) -> np.ndarray:
    return np.stack([decode_pair(data.primary[row], size=PRIMARY_SIZE)[1] for row in rows])


def _targets(state: State) -> Float[np.ndarray, "batch row column kind"]:
    middles = state.position.copy()
    middles[..., 2] += state.radius
    cells = patch_index(project(middles), grid=_CELLS)
    places = np.zeros((len(state), _CELLS * _CELLS, len(KINDS)), np.float32)
    scenes = np.arange(len(state))[:, None]
    places[scenes, cells, state.colour * len(SHAPES) + state.shape] = 1
    return places.reshape(-1, _CELLS, _CELLS, len(KINDS))


def _measure(data: TrainingData, weights: Mapping[str, Any]) -> tuple[float, float, float]:
    """Returns the share of pictures with all kinds right, of objects found, and the kinds too many per picture."""
    network = table_network(weights)
    rows = np.arange(len(data) - _HELD_OUT, len(data))
    logits = [
        np.asarray(network.activation(jnp.asarray(_pictures(data, part), jnp.float32), "logits"))[:, 0, 0]
        for part in np.split(rows, len(rows) // 100)
    ]
    said = np.concatenate(logits) > 0
    there = _targets(take(data.states[1], rows)).any(axis=(1, 2))
    return (
        float((said == there).all(axis=1).mean()),
        float((said & there).sum() / there.sum()),
        float((said & ~there).sum(axis=1).mean()),
    )


if __name__ == "__main__":
    tyro.cli(TrainCnn)()
