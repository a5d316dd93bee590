"""The policy as a pure function: state and observation in, state and action out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from octoscope.array_typing import Float
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.checkpoint.normalization_type import NormalizationType
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.finite import check_finite_actions
from octoscope.policies.octo.model import OctoModel
from octoscope.serving.execution import Execution
from octoscope.serving.history import stack_history
from octoscope.serving.observation_reader import read_observation
from octoscope.serving.state import PolicyState, observe
from octoscope.serving.step_attention import StepAttention
from octoscope.serving.watched_rows import find_watched_rows
from octoscope.serving.watching import keep_attention


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step of a control loop gives."""

    # In the robot's units, to be carried out now.
    action: Float[np.ndarray, " dim"]
    # The chunk predicted last, in the robot's units; its first action was meant for the step `predicted_at`.
    chunk: Float[np.ndarray, "horizon dim"]
    # Steps since the episode began, from 0.
    step: int
    # When the policy was last asked: this step, unless an earlier chunk is still being carried out.
    predicted_at: int
    # None when nobody watched, or the policy was not asked in this step.
    attention: StepAttention | None


@dataclass(frozen=True, eq=False)
class Stepper:
    """A policy with everything that stays the same from step to step and from episode to episode."""

    model: OctoModel
    # Timesteps of history.
    window: int
    # Cameras of whose frames only the middle is used.
    cropped_cameras: tuple[str, ...]
    execution: Execution
    # Which head acts.
    head: str
    # Whose units actions and proprioception are in.
    dataset: str
    # Brings actions back to them.
    action_statistics: Mapping[str, Any]
    normalization_type: NormalizationType
    # The noise of a step depends on the seed and the step alone, as in `attend`.
    seed: int
    # Groups whose attention is kept when somebody watches; None is the readouts and the repeated words.
    query_groups: str | tuple[str, ...] | None

    def step(
        self, state: PolicyState, observation: Mapping[str, Any], *, watch: bool = False
    ) -> tuple[PolicyState, StepResult]:
        """Returns the state after one control step, and what came of it.

        Args:
          state: Of the step before; it is left as it is.
          observation: Of the present time; see `read_observation`.
          watch: Also give the attention of this step, if the policy is asked in it.

        Raises:
          ObservationError: If the observation is not what the policy takes, or not like those before it.
          SelectionError: If a query group does not exist, or the policy's chunk is too short for the execution.
          CheckpointError: If the policy's action is not finite.
        """
        reading = read_observation(self.model, observation, dataset=self.dataset, cropped_cameras=self.cropped_cameras)
        state = observe(state, reading, window=self.window)
        chunk, attention = None, None
        if self.execution.wants_chunk(state.pending):
            observations = _observations(state)
            state = self._choose_rows(state, observations) if watch else state
            chunk, attention = self._predict(state, observations, watch=watch)
            state = replace(state, chunk=chunk, predicted_at=state.step)
        pending, action = self.execution.next_action(state.pending, chunk)
        assert state.chunk is not None, "every execution wants a chunk first"
        # Copies: who changes an action before it is carried out does not change what comes after.
        result = StepResult(action.copy(), state.chunk.copy(), state.step, state.predicted_at, attention)
        return replace(state, pending=pending, step=state.step + 1), result

    def _choose_rows(self, state: PolicyState, observations: Mapping[str, Any]) -> PolicyState:
        if state.rows is not None:
            return state
        assert state.reading is not None, "the history holds this step"
        rows = find_watched_rows(
            self.model,
            observations,
            state.task.tasks,
            instruction=state.task.instruction,
            cameras=state.reading.frames.keys(),
            query_groups=self.query_groups,
        )
        return replace(state, rows=rows)

    def _predict(
        self, state: PolicyState, observations: Mapping[str, Any], *, watch: bool
    ) -> tuple[np.ndarray, StepAttention | None]:
        actions, states = self.model.act(
            observations,
            state.task.tasks,
            rng=jax.random.fold_in(jax.random.PRNGKey(self.seed), state.step),
            watch=watch,
            query_rows=state.rows.query_rows if watch and state.rows is not None else None,
            head=self.head,
            embodiment_action_dim=action_dimensions(self.action_statistics),
        )
        normalized = np.asarray(actions[0])
        robot = unnormalize_actions(normalized, self.action_statistics, self.normalization_type)
        check_finite_actions(robot, step=state.step)
        if not watch:
            return robot, None
        return robot, keep_attention(self.model, states, state, actions=normalized, actions_robot=robot, seed=self.seed)


def _observations(state: PolicyState) -> dict[str, Any]:
    """Returns the window as the policy takes it, with leading (1, window)."""
    assert state.inputs is not None, "the history holds this step"
    return jax.tree.map(lambda stacked: stacked[None], stack_history(state.inputs))
