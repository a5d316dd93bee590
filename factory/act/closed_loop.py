"""Does the embedded ACT pick up the red object? Closed loop on scenes that training never showed."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from factory.act.scenes import ACTION_ENTRIES, hand_state, red_object, red_scenes, red_task
from factory.act.shape import CAMERA_FEATURE
from factory.tabletop.closed_loop import EPISODE_STEPS, Actor, run_episodes
from factory.tabletop.physics import ACTION_SIZE
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.state import NOTHING, State
from octoscope.array_typing import Bool, Float32, UInt8
from octoscope.intervals import mean_interval
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.encoder import ActInputs
from octoscope.policies.act.forward import ActOutputs, act_forward
from octoscope.policies.act.model import ActModel
from octoscope.policies.act.stacks import hide_nothing
from octoscope.policies.lerobot_folder.features import STATE

# Each of so many steps' chunks has a say in what is done now, as LeRobot's temporal ensemble with a coefficient of 0.
ENSEMBLE = 4


@dataclass(frozen=True)
class PickUps:
    """What came of each episode."""

    # Whether the red object was lifted within the episode, and was touched before any other; whether another one was.
    lifted: Bool[np.ndarray, " episode"]
    red_first: Bool[np.ndarray, " episode"]
    other_first: Bool[np.ndarray, " episode"]

    def row(self) -> dict[str, Any]:
        """Returns the shares with their 95 % intervals."""
        shares = {
            name: [float(each.mean()), *mean_interval(each.astype(float), bounds=(0.0, 1.0))]
            for name, each in vars(self).items()
        }
        return {"episodes": len(self.lifted), **shares}


def pick_up(
    model: ActModel, *, episodes: int, seed: int, ensemble: int = ENSEMBLE, steps: int = EPISODE_STEPS
) -> PickUps:
    """Lets the policy act in so many fresh scenes side by side.

    Args:
      model: The policy.
      episodes: How many.
      seed: Of the scenes; keep it away from those of training.
      ensemble: Chunks of the last steps whose mean says what is done.
      steps: Of each episode.
    """
    start = red_scenes(np.random.default_rng(seed), episodes)
    with TabletopRenderer() as renderer:
        outcome = run_episodes(
            start, act_actor(model, renderer, ensemble=ensemble), tasks=(red_task(start),), steps=steps
        )
    first = outcome.first_touched
    red = first == red_object(start)
    return PickUps(outcome.reached[0], red, ~red & (first != NOTHING))


def act_actor(model: ActModel, renderer: TabletopRenderer, *, ensemble: int) -> Actor:
    """Returns what acts by the policy, for one batch of episodes only: it remembers the last chunks."""
    chunks: deque[np.ndarray] = deque(maxlen=ensemble)

    def act(state: State) -> np.ndarray:
        chunks.appendleft(robot_chunks(model, renderer.render(state, "primary"), hand_state(state)))
        actions = np.zeros((len(state), ACTION_SIZE))
        actions[:, ACTION_ENTRIES] = np.mean([chunk[:, ahead] for ahead, chunk in enumerate(chunks)], axis=0)
        return actions

    return act


def robot_chunks(
    model: ActModel, primary: UInt8[np.ndarray, "batch height width 3"], hand: Float32[np.ndarray, "batch 4"]
) -> Float32[np.ndarray, "batch horizon 4"]:
    """Returns the policy's chunks in the units of `physics`."""
    return model.robot_actions(normalized_chunks(model, primary, hand))


def normalized_chunks(
    model: ActModel, primary: UInt8[np.ndarray, "batch height width 3"], hand: Float32[np.ndarray, "batch 4"]
) -> Float32[np.ndarray, "batch horizon 4"]:
    """Returns the policy's chunks as the network gives them, of many moments at once."""
    return np.asarray(_forward(model, primary, hand).actions)


def cross_weights(
    model: ActModel, primary: UInt8[np.ndarray, "batch height width 3"], hand: Float32[np.ndarray, "batch 4"]
) -> Float32[np.ndarray, "batch layer head horizon token"]:
    """Returns what the actions' queries look at, of many moments at once."""
    return np.asarray(_forward(model, primary, hand).weights.cross)


def _forward(model: ActModel, primary: np.ndarray, hand: np.ndarray) -> ActOutputs:
    inputs = [
        model.inputs({CAMERA_FEATURE: picture}, {STATE: each}) for picture, each in zip(primary, hand, strict=True)
    ]
    return _forwards(model.params, model.config, jax.tree.map(lambda *leaves: np.stack(leaves), *inputs))


@partial(jax.jit, static_argnames="config")
def _forwards(params: Mapping[str, Any], config: ActConfig, inputs: ActInputs) -> ActOutputs:
    height, width = inputs.images[CAMERA_FEATURE].shape[1:3]
    hidden = hide_nothing(config, (height // 16) * (width // 16) + len(config.plain_tokens))
    return jax.vmap(lambda each: act_forward(params, config, each, hidden))(inputs)
