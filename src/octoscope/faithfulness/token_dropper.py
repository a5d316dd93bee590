"""The policy run on a part of its tokens, and how long that takes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float, Float32, Int
from octoscope.capture.provenance import acting_head
from octoscope.capture.robot_statistics import robot_statistics
from octoscope.faithfulness.cells import Cells
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule


class TokenDropper:
    """Runs the policy on a part of its tokens; one program for each number of them."""

    def __init__(self, model: OctoModel, scene: StepScene) -> None:
        """Compiles nothing yet; the scene says which dataset's robot acts."""
        statistics = robot_statistics(model, scene.episode.dataset)
        sampling: dict[str, Any] = (
            {} if statistics is None else {"embodiment_action_dim": action_dimensions(statistics)}
        )

        def act(params: Any, observation: Any, tasks: Any, kept: Array, key: Array) -> Array:
            actions = model.module.apply(
                {"params": params},
                observation,
                tasks,
                observation["timestep_pad_mask"],
                key,
                head=acting_head(model),
                kept_tokens=kept,
                method=OctoModule.act,
                **sampling,
            )
            return jnp.asarray(actions)[0]

        self._params = model.params
        self._act: Callable[..., Array] = jax.jit(act)

    def act(
        self, scene: StepScene, key: Array, cells: Cells, kept: Bool[np.ndarray, " cell"]
    ) -> Float32[np.ndarray, "horizon dim"]:
        """Returns the normalised action with these cells' tokens in the sequence."""
        places = kept_places(cells, kept)
        return np.asarray(self._act(self._params, scene.inputs.observation, scene.inputs.tasks, places, key))

    def rounds(
        self, scene: StepScene, key: Array, cells: Cells, counts: Sequence[int], *, rounds: int
    ) -> Float[np.ndarray, "round point"]:
        """Returns the seconds of a step with so many cells kept, inputs on the device: all counts once a round, in an order drawn anew.

        So whatever else the machine does hits all counts of a round alike, and a ratio within a round is worth more than one of times.
        """
        inputs = jax.device_put((self._params, scene.inputs.observation, scene.inputs.tasks))
        places = [jnp.asarray(kept_places(cells, np.arange(len(cells)) < count)) for count in counts]
        if rounds:
            for kept in places:
                self._act(*inputs, kept, key).block_until_ready()
        seconds, rng = np.zeros((rounds, len(counts))), np.random.default_rng(0)
        for each in seconds:
            for point in rng.permutation(len(counts)):
                start = time.perf_counter()
                self._act(*inputs, places[point], key).block_until_ready()
                each[point] = time.perf_counter() - start
        return seconds


def kept_places(cells: Cells, kept: Bool[np.ndarray, " cell"]) -> Int[np.ndarray, " token"]:
    """Returns the places of the sequence that stay: those of kept cells at every timestep, and everything that is no image."""
    stays = np.ones(cells.layout.size, bool)
    stays[cells.keys()[~kept].ravel()] = False
    return np.flatnonzero(stays)
