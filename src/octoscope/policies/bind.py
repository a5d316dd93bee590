"""A policy bound to an episode: which cameras it looks through, what it is told, and what it is given at each step.

Everything that walks over an episode (capture, interventions, scores) walks over this, so that a policy sees the same in all of them.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.windows import observation_window
from octoscope.errors import EpisodeError, ObservationError, SelectionError, nearest
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.policy_model import PolicyModel
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout, instruction_remarks

# What the user types to leave an observation out.
NONE = "none"


@runtime_checkable
class NormalizesNumbers(Protocol):
    """A policy that was trained on normalised numbers."""

    def normalize_numbers(
        self, name: str, values: Float32[np.ndarray, "time ..."], dataset: str
    ) -> tuple[Float32[np.ndarray, "time ..."], str]:
        """Returns recorded numbers as the policy takes them, and what was done to them."""
        ...


@dataclass(frozen=True, eq=False)
class BindOptions:
    """What the policy is given besides what an episode records under the names it knows."""

    # Words to use instead of the episode's.
    instruction: str | None = None
    # By camera name; with them the episode's own words are not used.
    goal_images: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] = field(default_factory=dict)
    # Recorded field by the policy's name for it; "none" leaves it out.
    observation_keys: Mapping[str, str] = field(default_factory=dict)
    # Timesteps of history; as many as in training by default.
    window: int | None = None


@dataclass(frozen=True, eq=False)
class BoundEpisode:
    """A policy and an episode that fit each other."""

    policy: PolicyModel
    episode: Episode
    # Cameras that the policy looks through and the episode has.
    cameras: tuple[str, ...]
    numbers: Mapping[str, Float32[np.ndarray, "time ..."]]
    # Where each of them was recorded and what was done to it.
    number_notes: Mapping[str, str]
    window: int
    # None for none.
    instruction: str | None
    # At the policy's size.
    goal_images: Mapping[str, UInt8[np.ndarray, "_height _width 3"]]

    def at(self, step: int) -> PolicyInputs:
        """Returns what the policy is given at a step.

        Raises:
          SelectionError: If the episode has no such step.
        """
        if not 0 <= step < len(self.episode):
            raise SelectionError(f"`step` must be in 0..{len(self.episode) - 1} for {self.episode.name}, got {step}.")
        times, real = observation_window(step, self.window)
        return PolicyInputs(
            images={
                camera: np.stack([self._prepared(camera, int(time))[0] for time in times]) for camera in self.cameras
            },
            real=real,
            numbers={name: values[times] for name, values in self.numbers.items()},
            instruction=self.instruction,
            goal_images=self.goal_images,
        )

    @functools.cached_property
    def layout(self) -> TokenLayout:
        """What every token is; the same at every step of the episode."""
        layout = self.policy.layout(self.at(0))
        unrecorded = tuple(camera for camera in layout.cameras if camera not in self.cameras)
        return replace(layout, unrecorded=unrecorded)

    @functools.cached_property
    def transforms(self) -> Mapping[str, ImageTransform]:
        """How each camera's frames are brought to the policy's size."""
        return {camera: self._prepared(camera, 0)[1] for camera in self.cameras}

    @functools.cached_property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of what the policy is given, a sentence each."""
        absent = [camera for camera in self.policy.needs.cameras if camera not in self.cameras]
        unused = [camera for camera in self.episode.images if camera not in self.policy.needs.cameras]
        told = [
            *instruction_remarks(self.layout),
            f"The policy also looks through {', '.join(absent)}, which the episode lacks." if absent else "",
            f"The episode also has {', '.join(unused)}, which the policy does not look through." if unused else "",
        ]
        return tuple(sentence for sentence in told if sentence)

    @functools.cached_property
    def _prepared(self):
        # Windows overlap: a frame is in as many of them as they are long.
        @functools.lru_cache(maxsize=4 * max(1, self.window) * max(1, len(self.cameras)))
        def prepared(camera: str, time: int) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
            return self.policy.prepare(camera, np.asarray(self.episode.images[camera][time]))

        return prepared


def bind(policy: PolicyModel, episode: Episode, options: BindOptions | None = None) -> BoundEpisode:
    """Returns the episode as the policy sees it, once it is sure that the two fit.

    Args:
      policy: Any.
      episode: The recording.
      options: Other words, goal images, fields or history.

    Raises:
      EpisodeError: If they share no camera, numbers are missing or of another shape, or there is no task.
      ObservationError: If the policy cannot take the words or goals that are given.
      SelectionError: If the policy reads no such observation, or takes no such window.

    >>> from octoscope.policies.toy.toy_policy import ToyPolicy
    >>> frames = np.zeros((3, 64, 96, 3), np.uint8)
    >>> bound = bind(ToyPolicy(), Episode({"primary": frames}, "push red", None, "made/0", "made"))
    >>> bound.at(1).images["primary"].shape, bound.layout.size
    ((1, 32, 48, 3), 31)
    """
    options = options or BindOptions()
    needs = policy.needs
    cameras = tuple(camera for camera in needs.cameras if camera in episode.images)
    if needs.cameras and not cameras:
        raise EpisodeError(
            f"The policy looks through {', '.join(needs.cameras)}, but the episode has {', '.join(episode.images) or 'no images'}. "
            f"Name the recorded image of a camera with --cameras {next(iter(needs.cameras))}=IMAGE_KEY."
        )
    window = needs.window if options.window is None else options.window
    if not 1 <= window <= needs.longest_window:
        raise SelectionError(f"`window` must be in 1..{needs.longest_window} for this policy, got {window}.")
    numbers, notes = _numbers(policy, episode, options.observation_keys)
    goals = _goals(policy, options.goal_images)
    instruction = _instruction(policy, episode, options)
    return BoundEpisode(policy, episode, cameras, numbers, notes, window, instruction, goals)


def _instruction(policy: PolicyModel, episode: Episode, options: BindOptions) -> str | None:
    if options.instruction is not None:
        if not policy.needs.words:
            raise ObservationError("This policy takes no words, so none can be given to it.")
        if not options.instruction.strip():
            raise EpisodeError("The task's words are empty. Give some with --task, or leave them out.")
        return options.instruction
    if not policy.needs.words or options.goal_images:
        return None
    if not episode.instruction:
        raise EpisodeError(f"{episode.name} has no instruction. Give one with --task.")
    return episode.instruction


def _goals(policy: PolicyModel, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    known = policy.needs.goals
    for camera in images:
        if camera not in known:
            raise SelectionError(
                f"The policy takes no goal image of '{camera}'. It takes: {', '.join(known) or 'none'}."
                + nearest(camera, known)
            )
    return {camera: policy.prepare(camera, image)[0] for camera, image in images.items()}


def _numbers(
    policy: PolicyModel, episode: Episode, chosen: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    needed = policy.needs.numbers
    for name in chosen:
        if name not in needed:
            raise SelectionError(
                f"The policy reads no observation '{name}'.{nearest(name, needed)} Besides images it reads: "
                f"{', '.join(needed) or 'nothing'}."
            )
    numbers, notes = {}, {}
    for name, shape in needed.items():
        recorded = chosen.get(name, name if name in episode.extras else f"observation/{name}")
        if recorded == NONE:
            continue
        if recorded not in episode.extras:
            raise EpisodeError(
                f"The policy reads '{name}', which {episode.name} does not record under that name. Name its field with "
                f"--observation {name}=FIELD. Recorded: {', '.join(episode.extras) or 'no numbers'}."
            )
        values = np.asarray(episode.extras[recorded])
        if values.dtype.kind not in "fiub" or values.shape[1:] != tuple(shape):
            raise EpisodeError(
                f"The policy's '{name}' takes {' x '.join(map(str, shape))} numbers a step, but '{recorded}' of {episode.name} has "
                f"{values.dtype} of shape {values.shape[1:]}. Name another field with --observation {name}=FIELD."
            )
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            step = int(np.argwhere(~np.isfinite(values))[0][0])
            raise EpisodeError(f"'{recorded}' of {episode.name} is not finite at step {step}, and the policy reads it.")
        note = "as recorded"
        if isinstance(policy, NormalizesNumbers):
            values, note = policy.normalize_numbers(name, values, episode.dataset)
        numbers[name], notes[name] = values, f"{recorded}: {note}"
    return numbers, notes
