"""The features of a LeRobot policy: what comes in and goes out under which name, of which kind and shape, in order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octoscope.errors import ConfigError

_KINDS = ("STATE", "VISUAL", "ENV", "ACTION", "REWARD", "LANGUAGE")
_CAMERA_PREFIX = "observation.images."
# What LeRobot calls the features of `empty_cameras`.
EMPTY_CAMERA = "empty_camera_"
STATE = "observation.state"
ACTION = "action"


@dataclass(frozen=True)
class Feature:
    """One entry of `input_features` or `output_features`."""

    # As the policy calls it: "observation.images.top".
    name: str
    # "STATE", "VISUAL", "ENV" or "ACTION"; "REWARD" and "LANGUAGE" occur and are read by no policy here.
    kind: str
    # Images as (channel, height, width).
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


def camera_name(feature: str) -> str:
    """Returns the camera's own name from its feature's.

    >>> camera_name("observation.images.top_cam"), camera_name("observation.image")
    ('top_cam', 'image')
    """
    return feature.removeprefix(_CAMERA_PREFIX).removeprefix("observation.")


def read_features(entries: Any, field: str) -> tuple[Feature, ...]:
    """Returns the features of a config's field in its order, which for images is the order of the cameras.

    Raises:
      ConfigError: If an entry is no feature.

    >>> read_features({"observation.state": {"type": "STATE", "shape": [6]}}, "input_features")
    (Feature(name='observation.state', kind='STATE', shape=(6,)),)
    """
    if not isinstance(entries, Mapping):
        raise ConfigError(
            f"config.json must hold an object `{field}` ({{name: {{type, shape}}}}), got {entries!r}. A folder of LeRobot 0.1 or "
            "later has it; older ones (`input_shapes`) must be converted by the LeRobot that made them."
        )
    return tuple(_read_feature(str(name), entry, field) for name, entry in entries.items())


def _read_feature(name: str, entry: Any, field: str) -> Feature:
    kind = entry.get("type") if isinstance(entry, Mapping) else None
    shape = entry.get("shape") if isinstance(entry, Mapping) else None
    if kind not in _KINDS:
        raise ConfigError(
            f"`{field}` of config.json: '{name}' must have a `type` of {', '.join(_KINDS)}; it is {entry!r}."
        )
    if not isinstance(shape, list | tuple) or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise ConfigError(f"`{field}` of config.json: '{name}' must have a `shape` of positive numbers, got {shape!r}.")
    if kind == "VISUAL" and (len(shape) != 3 or shape[0] != 3):
        raise ConfigError(
            f"`{field}` of config.json: the camera '{name}' must have the shape [3, height, width], got {shape}. "
            "Depth and grey pictures are not read here."
        )
    return Feature(name, kind, tuple(shape))


def features_of_kind(features: tuple[Feature, ...], kind: str) -> tuple[Feature, ...]:
    """Returns the features of one kind, in order."""
    return tuple(feature for feature in features if feature.kind == kind)
