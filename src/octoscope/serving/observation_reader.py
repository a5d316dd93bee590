"""One present-time observation, checked and brought to what the policy takes, in the very way that `attend` does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from octoscope.array_typing import UInt8
from octoscope.capture.observations import EpisodeObservations
from octoscope.episodes.episode import Episode
from octoscope.errors import ObservationError, nearest
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.input_shapes import named_arrays
from octoscope.serving.central_crop import central_crop, central_crop_transform
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.token_source import camera_of

_IMAGE, _DEPTH = "image_", "depth_"
# Told by the history, not by the robot.
_MASKS = ("timestep_pad_mask", "pad_mask")


@dataclass(frozen=True, eq=False)
class Reading:
    """One observation, read."""

    # As the policy takes it, without batch and window; `pad_mask_dict` is a dict in it.
    inputs: Mapping[str, Any]
    # By camera name, as they came.
    frames: Mapping[str, UInt8[np.ndarray, "height width 3"]]
    # By camera, how its frame was brought to the policy's size.
    transforms: Mapping[str, ImageTransform]
    # The observation as an episode of one step: says what each input was made from.
    observations: EpisodeObservations

    @property
    def given(self) -> list[str]:
        """Observation keys that the robot gave and the policy reads."""
        plan = self.observations.plan
        return [*plan.cameras.values(), *plan.numbers]


def read_observation(
    model: OctoModel, observation: Mapping[str, Any], *, dataset: str, cropped_cameras: Sequence[str] = ()
) -> Reading:
    """Returns the observation as the policy takes it; everything in it is a copy.

    Args:
      model: The policy.
      observation: RGB frames, uint8 (height, width, 3) of any size, by Octo's keys ("image_primary"), and numbers of the shape
        that the policy was trained on ("proprio", in the robot's units).
      dataset: Whose statistics `proprio` is normalised by, as in Octo's `NormalizeProprio`.
      cropped_cameras: Cameras of whose frames only the middle is used.

    Raises:
      ObservationError: If there is no camera, or an entry is unknown or of another shape or type.
    """
    example = dict(named_arrays(model.example_batch["observation"]))
    known = [key for key in example if key not in _MASKS and not key.startswith(_DEPTH)]
    for key in observation:
        if key not in known:
            raise ObservationError(
                f"The policy takes no observation '{key}'. It takes: {', '.join(known)}." + nearest(key, known)
            )
    cameras = [key for key in known if key.startswith(_IMAGE)]
    if cameras and not any(key in observation for key in cameras):
        raise ObservationError(
            f"The observation must hold a camera's frame ({', '.join(cameras)}), it holds: {', '.join(observation) or 'nothing'}."
        )
    # Copies, because robots like to write the next frame into the same buffer.
    frames = {camera_of(key): read_frame(key, observation[key]).copy() for key in cameras if key in observation}
    numbers = {
        key: _read_numbers(key, value, example[key].shape[2:])
        for key, value in observation.items()
        if key not in cameras
    }
    now = Episode(
        images={camera: frame[None] for camera, frame in frames.items()},
        instruction="",
        actions=None,
        name="live",
        dataset=dataset,
        extras={key: value[None] for key, value in numbers.items()},
    )
    observations = EpisodeObservations(model, now, window=1)
    inputs = jax.tree.map(lambda batched: np.array(batched[0, 0]), observations.at(0))
    del inputs["timestep_pad_mask"]
    transforms = observations.transforms
    for camera in cropped_cameras:
        if camera in observations.plan.cameras:
            key = observations.plan.cameras[camera]
            inputs[key] = central_crop(frames[camera], model.image_sizes[key])
            transforms[camera] = central_crop_transform(frames[camera].shape[:2], model.image_sizes[key])
    return Reading(inputs, frames, transforms, observations)


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
