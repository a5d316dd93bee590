"""The policy as a pure function: state and observation in, state and action out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octoscope.array_typing import Float
from octoscope.capture.policy_recorder import wanted_attention
from octoscope.policies.finite_actions import check_finite_actions
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyModel
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

    policy: PolicyModel
    # Timesteps of history.
    window: int
    # Cameras of whose frames only the middle is used.
    cropped_cameras: tuple[str, ...]
    execution: Execution
    # Whose units actions and proprioception are in.
    dataset: str
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
        reading = read_observation(
            self.policy,
            observation,
            dataset=self.dataset,
            task=state.task.options,
            cropped_cameras=self.cropped_cameras,
        )
        state = observe(state, reading, window=self.window)
        chunk, attention = None, None
        if self.execution.wants_chunk(state.pending):
            inputs = _window(state)
            state = self._choose_rows(state, inputs) if watch else state
            chunk, attention = self._predict(state, inputs, watch=watch)
            state = replace(state, chunk=chunk, predicted_at=state.step)
        pending, action = self.execution.next_action(state.pending, chunk)
        assert state.chunk is not None, "every execution wants a chunk first"
        # Copies: who changes an action before it is carried out does not change what comes after.
        result = StepResult(action.copy(), state.chunk.copy(), state.step, state.predicted_at, attention)
        return replace(state, pending=pending, step=state.step + 1), result

    def _choose_rows(self, state: PolicyState, inputs: PolicyInputs) -> PolicyState:
        if state.rows is not None:
            return state
        assert state.reading is not None, "the history holds this step"
        rows = find_watched_rows(state.reading.bound, inputs, query_groups=self.query_groups)
        return replace(state, rows=rows)

    def _predict(
        self, state: PolicyState, inputs: PolicyInputs, *, watch: bool
    ) -> tuple[np.ndarray, StepAttention | None]:
        noise = Noise(self.seed, state.step)
        if not watch:
            return self._in_units(self.policy.act([inputs], noise)[0], inputs, state.step), None
        assert state.rows is not None, "rows are chosen before"
        wanted = [wanted_attention(each, state.rows.layout) for each in state.rows.selections]
        watched = self.policy.watch(inputs, noise, wanted)
        robot = self._in_units(watched.actions, inputs, state.step)
        return robot, keep_attention(watched, state, actions_robot=robot, seed=self.seed)

    def _in_units(
        self, actions: Float[np.ndarray, "horizon dim"], inputs: PolicyInputs, step: int
    ) -> Float[np.ndarray, "horizon dim"]:
        """Returns the chunk in the robot's units; as the policy gives it where it knows no others."""
        space = self.policy.action_space(self.dataset)
        robot = space.to_robot(actions, inputs)
        robot = actions[..., : space.dim] if robot is None else robot
        check_finite_actions(robot, step=step)
        return robot


def _window(state: PolicyState) -> PolicyInputs:
    """Returns the history as the policy takes it."""
    assert state.inputs is not None, "the history holds this step"
    assert state.reading is not None, "the history holds this step"
    stacked, plan = stack_history(state.inputs), state.reading.bound.plan
    return PolicyInputs(
        images=stacked["images"],
        real=stacked["timestep_pad_mask"],
        numbers=stacked["numbers"],
        instruction=plan.instruction,
        instruction_encodings=plan.instruction_encodings,
        # The same object at every step: what is made of it is made once.
        goal_images=state.task.goal_images or plan.goal_images,
        dataset=state.reading.bound.episode.dataset,
    )
