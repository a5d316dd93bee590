"""Runs of a LeRobot policy while it is evaluated: your loop stays as it is, and its actions too, bit for bit.

What is kept is the attention of the very forwards that acted: of a policy that carries out chunks, one step in each chunk. Every episode
becomes a run, closed loop: the frames are those that the policy's own actions led to.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from octoscope.capture.attend import attend
from octoscope.capture.policy_recorder import wanted_attention
from octoscope.capture.watch_options import WatchOptions
from octoscope.episodes.episode import Episode
from octoscope.errors import ObservationError, OutputError
from octoscope.serving.replayed_policy import ReplayedPolicy, SeenStep
from octoscope.serving.rollout_observation import RolloutObservation
from octoscope.tokens.attention_selection import select_attention

if TYPE_CHECKING:
    from octoscope.policies.torch_hooks.hooked_policy import HookedPolicy

# Where LeRobot's policies make a chunk.
_CHUNKS = ("_get_action_chunk", "predict_action_chunk")


@contextlib.contextmanager
def record_rollouts(
    policy: "HookedPolicy", folder: str | Path, *, options: WatchOptions | None = None, dataset: str = "rollouts"
) -> Iterator["RolloutRecorder"]:
    """Writes a run for every episode of the loop in the block, when the policy is reset for the next one, and at the end of the block.

    Of several environments at once each has runs of its own; one that ended before the others goes on in them, as LeRobot steps it. After
    an error in the block the episode at hand is written too, as far as it came.

    Args:
      policy: What `hook_lerobot` gave for the policy and the pipelines that your loop calls.
      folder: Where runs go: FOLDER/episode_0.zarr, or FOLDER/episode_0_environment_1.zarr of several at once. New, or empty.
      options: Which rows are kept; by default those that act.
      dataset: What the runs call it.

    Raises:
      OutputError: If the folder holds something.
      ObservationError: If the loop acts without the preprocessor that `hook_lerobot` was given, so that nobody sees the frames.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise OutputError(
            f"{target} holds something already. Give a new folder, so that runs of two evaluations do not mix."
        )
    recorder = RolloutRecorder(policy, target, options or WatchOptions(), dataset)
    with recorder.watching():
        try:
            yield recorder
        finally:
            recorder.finish_episode()


class RolloutRecorder:
    """Sees every observation and every forward; `paths` are the runs so far."""

    def __init__(self, policy: "HookedPolicy", folder: Path, options: WatchOptions, dataset: str) -> None:
        """Begins with nothing seen."""
        self.policy = policy
        self.paths: list[Path] = []
        self._program: Any = policy.program
        self._folder, self._options, self._dataset = folder, options, dataset
        self._episodes = 0
        # While our own code runs the policy, which is no step of the loop.
        self._busy = False
        self._chunk: np.ndarray | None = None
        self._latest: RolloutObservation | None = None
        self._begin()

    def _begin(self) -> None:
        self._observations: list[RolloutObservation] = []
        self._forwards: dict[int, SeenStep] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Stands between the loop and the policy in the block."""
        module, preprocessor = self._program.policy, self._program.preprocessor
        if not hasattr(preprocessor, "register_before_step_hook"):
            raise ObservationError(
                f"Runs are recorded through LeRobot's own pipeline (`make_pre_post_processors`); the preprocessor is a "
                f"{type(preprocessor).__name__}."
            )
        methods = {"select_action": self._select_action, "reset": self._reset}
        methods |= {name: self._make_chunk for name in _CHUNKS if hasattr(module, name)}
        own = {name: vars(module)[name] for name in methods if name in vars(module)}
        hook = self._observe
        for name, method in methods.items():
            object.__setattr__(module, name, functools.partial(method, getattr(module, name)))
        preprocessor.register_before_step_hook(hook)
        try:
            yield
        finally:
            preprocessor.unregister_before_step_hook(hook)
            for name in methods:
                object.__delattr__(module, name)
            for name, method in own.items():
                object.__setattr__(module, name, method)

    def finish_episode(self) -> None:
        """Writes the runs of the episode at hand, if the policy acted in it."""
        if not self._forwards:
            self._begin()
            return
        self._busy = True
        try:
            count = self._observations[0].count
            for environment in range(count):
                name = f"episode_{self._episodes}" + (f"_environment_{environment}" if count > 1 else "")
                forwards = {step: each.of(environment) for step, each in self._forwards.items()}
                replayed = ReplayedPolicy(self.policy, forwards)
                path = self._folder / f"{name}.zarr"
                self._folder.mkdir(parents=True, exist_ok=True)
                attend(replayed, self._episode(environment, name), path, steps=sorted(forwards), options=self._options)
                self.paths.append(path)
        finally:
            self._busy = False
        self._episodes += 1
        self._begin()

    def _episode(self, environment: int, name: str) -> Episode:
        seen = [each.of(environment) for each in self._observations]
        images = {camera: np.stack([each.images[camera] for each in seen]) for camera in seen[0].images}
        numbers = {key: np.stack([each.numbers[key] for each in seen]) for key in seen[0].numbers}
        return Episode(images, seen[0].task, None, f"{self._dataset}/{name}", self._dataset, extras=numbers)

    def _observe(self, step: int, transition: Mapping[str, Any]) -> None:
        if step == 0 and not self._busy:
            features = self._program.policy.config.input_features
            self._latest = RolloutObservation.read(transition, features, _renames(self._program.preprocessor))

    def _reset(self, original: Callable[[], None]) -> None:
        if not self._busy:
            self.finish_episode()
        original()

    def _make_chunk(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        chunk = original(*args, **kwargs)
        if not self._busy:
            self._chunk = np.array(chunk.detach().float().cpu().numpy(), np.float32)
        return chunk

    def _select_action(self, original: Callable[..., Any], batch: Any, *args: Any, **kwargs: Any) -> Any:
        from octoscope.policies.torch_hooks.attention_watch import watch_attention

        if self._latest is None:
            raise ObservationError(
                "The policy was asked for an action before its preprocessor saw an observation. Give `hook_lerobot` the very preprocessor "
                "that the loop calls."
            )
        observation, self._latest, self._chunk = self._latest, None, None
        rows = self._wanted_rows(observation)
        with watch_attention(self._program.module, wanted=rows) as watch:
            action = original(batch, *args, **kwargs)
        if watch.sites:
            made = (
                np.array(action.detach().float().cpu().numpy(), np.float32)[:, None]
                if self._chunk is None
                else self._chunk
            )
            self._forwards[len(self._observations)] = SeenStep(tuple(watch.calls), made)
        self._observations.append(observation)
        return action

    def _wanted_rows(self, observation: RolloutObservation) -> dict[str, Sequence[int] | None]:
        self._busy = True
        try:
            inputs = observation.of(0).inputs(self.policy)
            tokens = self._program.tokens(inputs)
        finally:
            self._busy = False
        rows: dict[str, Sequence[int] | None] = {}
        for selection in select_attention(
            tokens.layout,
            query_groups=self._options.query_groups,
            key_groups=self._options.key_groups,
            layers=self._options.layers,
            passes=self._options.passes,
        ):
            wanted = wanted_attention(selection, tokens.layout)
            places = tokens.layout.places(tokens.layout.stack(selection.stack).query_groups)
            chosen = np.searchsorted(places, wanted.queries).tolist()
            rows |= {tokens.sites[selection.stack][layer]: chosen for layer in selection.layers}
        return rows


def _renames(preprocessor: Any) -> Mapping[str, str]:
    steps = getattr(preprocessor, "steps", ())
    return next((each.rename_map for each in steps if getattr(each, "rename_map", None)), {})
