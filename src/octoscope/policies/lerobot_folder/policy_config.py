"""config.json of a LeRobot policy folder: which policy it is, its features, and its fields as they are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from octoscope.checkpoints.json_file import read_json
from octoscope.errors import ConfigError, nearest
from octoscope.policies.lerobot_folder.features import ACTION, Feature, features_of_kind, read_features
from octoscope.policies.lerobot_folder.known_fields import KNOWN_FIELDS, unknown_fields

_Value = TypeVar("_Value", int, float, bool, str)


@dataclass(frozen=True)
class PolicyConfig:
    """What config.json says of any policy; each family reads its own fields from `fields`."""

    # "act", "smolvla", "pi0" or "pi05".
    kind: str
    inputs: tuple[Feature, ...]
    action: Feature
    # Everything in the file, unknown fields too.
    fields: Mapping[str, Any]
    unknown: tuple[str, ...]

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The images, in the order in which every policy of LeRobot takes them."""
        return features_of_kind(self.inputs, "VISUAL")

    def field(self, name: str, default: _Value, *, least: int = 1) -> _Value:
        """Returns a field, or the default that LeRobot gives it where the file lacks it.

        Raises:
          ConfigError: If it is of another type than its default, or a whole number below `least`.
        """
        value = self.fields.get(name, default)
        if isinstance(default, bool) and value in (0, 1):
            return type(default)(value)
        if isinstance(default, float) and type(value) is int:
            return type(default)(value)
        if type(value) is not type(default):
            raise ConfigError(f"`{name}` of config.json must be {_NAMES[type(default)]}, got {value!r}.")
        if type(value) is int and value < least:
            raise ConfigError(f"`{name}` of config.json must be at least {least}, got {value}.")
        return value


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def read_policy_config(folder: Path) -> PolicyConfig:
    """Returns what a policy folder's config.json says.

    Raises:
      CheckpointError: If the file is missing or is no JSON.
      ConfigError: If it is not the config of a policy that is read here, saying what it is instead.
    """
    fields = read_json(folder / "config.json")
    kind = policy_kind(fields)
    if kind not in KNOWN_FIELDS:
        raise ConfigError(
            f"{folder} is a LeRobot policy of type '{kind}'; read here are {', '.join(KNOWN_FIELDS)}.{nearest(kind, KNOWN_FIELDS)}"
        )
    if fields.get("use_peft") or (folder / "adapter_config.json").is_file():
        raise ConfigError(
            f"{folder} holds a PEFT adapter, not a whole policy. Merge it first (PEFT's `merge_and_unload`) and save the policy."
        )
    inputs = read_features(fields.get("input_features"), "input_features")
    outputs = read_features(fields.get("output_features"), "output_features")
    actions = [feature for feature in outputs if feature.kind == "ACTION" and feature.name == ACTION]
    if len(actions) != 1 or len(actions[0].shape) != 1:
        raise ConfigError(
            f"`output_features` of config.json must hold '{ACTION}' of type ACTION with one dimension, got {outputs}."
        )
    return PolicyConfig(kind, inputs, actions[0], dict(fields), unknown_fields(kind, fields))


def policy_kind(fields: Any) -> str:
    """Returns the `type` that a config names.

    Raises:
      ConfigError: If it names none.
    """
    kind = fields.get("type") if isinstance(fields, Mapping) else None
    if isinstance(kind, str) and kind:
        return kind
    old = " This one has `input_shapes`, as LeRobot wrote it in 2024: convert it with the LeRobot that made it."
    raise ConfigError(
        "config.json of a LeRobot policy names its `type` ('act', 'smolvla', ...), and this one does not."
        + (old if isinstance(fields, Mapping) and "input_shapes" in fields else "")
    )


def is_policy_folder(folder: Path) -> bool:
    """Whether a folder is a LeRobot policy's, known or not: its config.json names a `type`."""
    if not (folder / "config.json").is_file():
        return False
    fields = read_json(folder / "config.json")
    return isinstance(fields, Mapping) and isinstance(fields.get("type"), str)
