"""One present-time observation, checked and brought to what the policy takes, in the very way that `attend` does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.episode import Episode
from octoscope.errors import ObservationError, nearest
from octoscope.policies.abilities import CropsFrames
from octoscope.policies.bind import BoundEpisode, bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import PolicyModel
from octoscope.tokens.image_transform import ImageTransform

_IMAGE = "image_"


@dataclass(frozen=True, eq=False)
class Reading:
    """One observation, read."""

    # "images" by camera and "numbers" by name, as the policy takes them at one timestep.
    inputs: Mapping[str, Mapping[str, np.ndarray]]
    # By camera name, as they came.
    frames: Mapping[str, UInt8[np.ndarray, "height width 3"]]
    # By camera, how its frame was brought to the policy's size.
    transforms: Mapping[str, ImageTransform]
    # The observation as an episode of one step: says what each input was made from.
    bound: BoundEpisode

    @property
    def given(self) -> list[str]:
        """Names under which the robot gave what the policy reads."""
        return [*(f"{_IMAGE}{camera}" for camera in self.bound.cameras), *self.bound.plan.numbers]


def read_observation(
    policy: PolicyModel,
    observation: Mapping[str, Any],
    *,
    dataset: str,
    task: BindOptions,
    cropped_cameras: Sequence[str] = (),
) -> Reading:
    """Returns the observation as the policy takes it; everything in it is a copy.

    Args:
      policy: The policy.
      observation: RGB frames, uint8 (height, width, 3) of any size, as "image_CAMERA", and numbers of the shape that the policy was
        trained on ("proprio", in the robot's units).
      dataset: Whose statistics `proprio` is normalised by, as in Octo's `NormalizeProprio`.
      task: Words and goals of the episode.
      cropped_cameras: Cameras of whose frames only the middle is used.

    Raises:
      ObservationError: If there is no camera, or an entry is unknown or of another shape or type.
    """
    needs = policy.needs
    cameras = [f"{_IMAGE}{camera}" for camera in (*needs.cameras, *needs.unread)]
    known = [*cameras, *needs.numbers]
    for key in observation:
        if key not in known:
            raise ObservationError(
                f"The policy takes no observation '{key}'. It takes: {', '.join(known)}." + nearest(key, known)
            )
    if cameras and not any(key in observation for key in cameras):
        raise ObservationError(
            f"The observation must hold a camera's frame ({', '.join(cameras)}), it holds: {', '.join(observation) or 'nothing'}."
        )
    # Copies, because robots like to write the next frame into the same buffer.
    frames = {
        key.removeprefix(_IMAGE): read_frame(key, observation[key]).copy() for key in cameras if key in observation
    }
    numbers = {
        key: _read_numbers(key, value, needs.numbers[key]) for key, value in observation.items() if key not in cameras
    }
    now = Episode(
        images={camera: frame[None] for camera, frame in frames.items()},
        instruction="",
        actions=None,
        name="live",
        dataset=dataset,
        extras={key: value[None] for key, value in numbers.items()},
    )
    bound = bind(policy, now, BindOptions(task.instruction, task.goal_images, window=1))
    inputs, transforms = bound.at(0), dict(bound.transforms)
    images = {camera: images[0] for camera, images in inputs.images.items()}
    for camera in cropped_cameras:
        if camera in images:
            assert isinstance(policy, CropsFrames), "whoever asks for the crop looks first"
            images[camera], transforms[camera] = policy.prepare_cropped(camera, frames[camera])
    now_given = {
        "images": {camera: np.array(image) for camera, image in images.items()},
        "numbers": {name: np.array(values[0]) for name, values in inputs.numbers.items()},
    }
    return Reading(now_given, frames, transforms, bound)


def read_frame(name: str, frame: Any) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a frame that is RGB, uint8.

    Raises:
      ObservationError: If it is something else.
    """
    array = np.asarray(frame)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ObservationError(
            f"'{name}' must be one RGB frame, uint8 (height, width, 3), got {array.dtype} {array.shape}."
            + (" Bring 0..1 to uint8 by (255 * frame).round().astype('uint8')." if array.dtype.kind == "f" else "")
        )
    return array


def _read_numbers(key: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    numbers = np.asarray(value)
    if numbers.shape != shape:
        raise ObservationError(
            f"observation '{key}' must have shape {shape} (the present time alone, no batch or window), got {numbers.shape}."
        )
    if numbers.dtype.kind not in "fiub":
        raise ObservationError(f"observation '{key}' must hold numbers, got dtype {numbers.dtype}.")
    if not np.isfinite(numbers).all():
        raise ObservationError(f"observation '{key}' must be finite, got {numbers}. Leave this step out, or mend it.")
    return numbers
