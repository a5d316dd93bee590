"""The policy as a robot's control loop holds it: observe, step, act."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.errors import ObservationError, SelectionError, nearest
from octoscope.policies.abilities import CropsFrames, NormalizesActions
from octoscope.policies.noise import check_seed
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, as_policy
from octoscope.serving.execution import Execution, find_execution
from octoscope.serving.observation_reader import read_frame
from octoscope.serving.state import EpisodeTask, PolicyState
from octoscope.serving.stepper import Stepper, StepResult


class Policy:
    """A policy in a control loop: frames of now in, the action of now out, in the robot's units.

    A thin holder of the state of one episode; `stepper.step(state, observation)` is the same without one.

    Example:
      >>> import octoscope as osc
      >>> model = osc.OctoModel.load_pretrained("demo")
      >>> policy = osc.Policy(model, instruction="pick up the red ball", dataset="tabletop")
      >>> frames = {"image_primary": np.zeros((480, 640, 3), np.uint8)}  # of any size
      >>> policy.step(frames).action.shape
      (7,)
      >>> watched = policy.step(frames, watch=True)
      >>> watched.attention.weights["readout_action"].shape  # (layer, head, query, key)
      (4, 4, 1, 166)
      >>> osc.render_sheet(watched.attention.run, step=watched.step, layer=2).shape[2]
      3
    """

    def __init__(
        self,
        model: PolicyModel | HoldsPolicy,
        *,
        instruction: str | None = None,
        goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
        dataset: str | None = None,
        normalization_type: NormalizationType | None = None,
        window: int | None = None,
        cropped_cameras: Sequence[str] = (),
        execution: str | Execution = "receding",
        seed: int = 0,
        query_groups: str | Sequence[str] | None = None,
    ) -> None:
        """Begins the first episode.

        Args:
          model: The policy.
          instruction: What to do, in words.
          goal_images: What it looks like when done, by camera name ("primary"), of any size; with or without words.
          dataset: Whose statistics bring actions to the robot's units, and `proprio` from them; may be left out when the policy
            has but one.
          normalization_type: How that dataset's actions were normalised; by default as the checkpoint's config says, and "normal"
            where it says nothing.
          window: Timesteps of history; as many as in training by default.
          cropped_cameras: Cameras whose frames are cropped to the middle 0.9 of their area, as Octo's gym wrappers do to "primary",
            which was cropped at random in training; none by default, as in Octo's own example.
          execution: "receding" (ask at each step, carry out the first action), "chunk" (carry out whole chunks), "ensemble"
            (ask at each step, carry out the mean of all chunks), `RecedingHorizon(n)` or `TemporalEnsemble(exp_weight)`.
          seed: Of the action head's noise. The noise of a step depends on the seed and the step alone.
          query_groups: Groups whose attention is kept by `watch=True`; as in `attend`; by default every readout and the
            words that can see images (the repeated instruction).

        Raises:
          ObservationError: If there is no task, or the policy cannot take it.
          SelectionError: If there are no statistics of that dataset, no such execution or camera, or window or seed are out of range.
          CheckpointError: If the dataset's statistics cannot be right.
          ConfigError: If the checkpoint's config names a normalisation that is not known.
        """
        check_seed(seed)
        policy = as_policy(model)
        if normalization_type is not None:
            policy = _normalized_by(policy, normalization_type)
        dataset = _only_dataset(policy) if dataset is None else dataset
        space = policy.action_space(dataset)
        if space.unnormalize is None and space.note:
            raise SelectionError(space.note)
        self.stepper = Stepper(
            policy=policy,
            window=_check_window(policy, window),
            cropped_cameras=_check_cameras(policy, cropped_cameras),
            execution=find_execution(execution),
            dataset=dataset,
            seed=seed,
            query_groups=query_groups if query_groups is None or isinstance(query_groups, str) else tuple(query_groups),
        )
        self._state = PolicyState(_make_task(policy, instruction, goal_images))

    @property
    def state(self) -> PolicyState:
        """The state that the next step starts from."""
        return self._state

    def reset(
        self,
        *,
        instruction: str | None = None,
        goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
    ) -> None:
        """Begins a new episode, with the task of the last one unless another is given. Nothing is compiled anew for other words.

        Raises:
          ObservationError: If the policy cannot take the task.
        """
        same = instruction is None and goal_images is None
        task = self._state.task if same else _make_task(self.stepper.policy, instruction, goal_images)
        self._state = PolicyState(task)

    def step(self, observation: Mapping[str, Any], *, watch: bool = False) -> StepResult:
        """Returns the action of now; with `watch`, also what all layers and heads attended to, from the same forward.

        The first step compiles, and so does the first that watches: see `warm_up`. Watching changes no bit of an action. An
        observation that is refused leaves the episode as it was.

        Args:
          observation: Of the present time: RGB frames, uint8 (height, width, 3) of any size, by Octo's keys ("image_primary",
            "image_wrist"), and numbers ("proprio"), in the robot's units. A camera that the first observation of an episode
            lacks is left out of the whole episode.
          watch: Keep the attention. `StepResult.attention` is None where an earlier chunk is still being carried out.

        Raises:
          ObservationError: If an entry is unknown, missing, or of another shape or type.
          SelectionError: If a query group does not exist, or the policy's chunk is too short for the execution.
        """
        self._state, result = self.stepper.step(self._state, observation, watch=watch)
        return result

    def warm_up(self, observation: Mapping[str, Any], *, watch: bool = True) -> None:
        """Compiles what `step` will need for observations like this one, and leaves the episode as it is.

        Args:
          observation: As in `step`; its values do not matter.
          watch: Also what `step(..., watch=True)` will need.

        Raises:
          ObservationError: As in `step`.
        """
        for watched in (False, True) if watch else (False,):
            self.stepper.step(PolicyState(self._state.task), observation, watch=watched)


def _make_task(
    policy: PolicyModel, instruction: str | None, goal_images: Mapping[str, np.ndarray] | None
) -> EpisodeTask:
    goals = {
        camera: read_frame(f"goal image of {camera}", image).copy() for camera, image in (goal_images or {}).items()
    }
    if instruction is None and not goals and (policy.needs.words or policy.needs.goals):
        raise ObservationError("The policy needs a task: give `instruction`, `goal_images`, or both.")
    if instruction is not None and not policy.needs.words:
        raise ObservationError("This policy takes no words: leave `instruction` out.")
    for camera in goals:
        if camera not in policy.needs.goals:
            raise SelectionError(
                f"The policy takes no goal image of '{camera}'. It takes: {', '.join(policy.needs.goals) or 'none'}."
                + nearest(camera, policy.needs.goals)
            )
    return EpisodeTask(
        instruction, {camera: policy.prepare(camera, image)[0] for camera, image in goals.items()} or None
    )


def _normalized_by(policy: PolicyModel, kind: NormalizationType) -> PolicyModel:
    if not isinstance(policy, NormalizesActions):
        raise SelectionError(
            f"`normalization_type` is nothing that {policy.card.name} can be told: it knows its own. Leave it out."
        )
    return policy.normalized_by(kind)


def _check_cameras(policy: PolicyModel, cameras: Sequence[str]) -> tuple[str, ...]:
    known = policy.needs.cameras
    for camera in cameras:
        if camera not in known:
            raise SelectionError(
                f"The policy has no camera '{camera}' to crop. It has: {', '.join(known) or 'none'}."
                + nearest(camera, known)
            )
    if cameras and not isinstance(policy, CropsFrames):
        raise SelectionError(f"{policy.card.name} was not trained on crops: leave `cropped_cameras` out.")
    return tuple(cameras)


def _only_dataset(policy: PolicyModel) -> str:
    known = policy.needs.datasets
    if len(known) > 1 or (not known and policy.action_space("").note):
        raise SelectionError(
            f"`dataset` must say whose statistics bring actions to the robot's units. The policy has: {', '.join(known) or 'none'}. "
            f"{policy.action_space('').note}".rstrip()
        )
    return known[0] if known else ""


def _check_window(policy: PolicyModel, window: int | None) -> int:
    window, most = policy.needs.window if window is None else window, policy.needs.longest_window
    if not 1 <= window <= most:
        raise SelectionError(f"`window` must be in 1..{most}, where the policy's positions end, got {window}.")
    return window
