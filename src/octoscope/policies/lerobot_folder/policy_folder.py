"""A LeRobot policy folder: its config, its weights as they lie in the file, and what stands between a recording and the policy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from octoscope.checkpoints.checkpoint_folder import checkpoint_folder, folder_name
from octoscope.errors import CheckpointError, ConfigError, ObservationError
from octoscope.policies.lerobot_folder.features import STATE, Feature
from octoscope.policies.lerobot_folder.normalization import FeatureNormalization
from octoscope.policies.lerobot_folder.old_statistics import is_old_statistic
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig, read_policy_config
from octoscope.policies.lerobot_folder.processing import Processing, read_processing
from octoscope.policies.lerobot_folder.weight_files import map_weights, weight_files

_FILES = [
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "policy_*processor*.json",
    "adapter_config.json",
    "*/tokenizer.json",
    "*/config.json",
]
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class LeRobotFolder:
    """What a policy folder says, without the network of any family."""

    path: Path
    # The short name that titles show.
    name: str
    config: PolicyConfig
    # By their names in the file, mapped and read-only; statistics of old folders are not among them.
    weights: Mapping[str, np.ndarray]
    processing: Processing

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of how this folder was read."""
        fields, unknown = self.config.fields, self.config.unknown
        remarks = list(self.processing.remarks)
        if fields.get("use_amp"):
            remarks.append("Saved to run in mixed precision (`use_amp`); here it runs in float32.")
        if unknown:
            remarks.append(
                f"config.json: {len(fields) - len(unknown)} of {len(fields)} fields are known for '{self.config.kind}'; "
                f"without effect here: {', '.join(unknown)}."
            )
        return tuple(remarks)

    def rename(self, recorded: Mapping[str, _Value]) -> dict[str, _Value]:
        """Returns what was recorded under the policy's names.

        Raises:
          ObservationError: If two recorded names become one.
        """
        renamed: dict[str, _Value] = {}
        for name, value in recorded.items():
            target = self.processing.renames.get(name, name)
            if target in renamed:
                raise ObservationError(
                    f"Two recorded names become '{target}' by this policy's rename map; leave one out."
                )
            renamed[target] = value
        return renamed

    def normalized_image(
        self, feature: Feature, image: UInt8[np.ndarray, "height width 3"]
    ) -> Float32[np.ndarray, "height width 3"]:
        """Returns a camera's picture as the policy takes it: 0..1, then normalised by channel."""
        return self.normalization(feature).normalize(image.astype(np.float32) / np.float32(255))

    def normalized_numbers(
        self, feature: Feature, numbers: Float32[np.ndarray, " number"]
    ) -> Float32[np.ndarray, " number"]:
        """Returns the entries of a state as the policy takes them.

        Raises:
          ObservationError: If their number is not the feature's.
        """
        if numbers.shape != feature.shape:
            raise ObservationError(f"'{feature.name}' must have the shape {feature.shape}, got {numbers.shape}.")
        return self.normalization(feature).normalize(numbers)

    def normalization(self, feature: Feature) -> FeatureNormalization:
        """Returns how an input of the policy is normalised."""
        return self.processing.inputs[feature.name]

    def robot_actions(
        self, actions: Float32[np.ndarray, "*chunk dim"], *, state: Float32[np.ndarray, " number"] | None
    ) -> Float32[np.ndarray, "*chunk dim"]:
        """Returns the policy's actions in the units of the recording.

        Args:
          actions: As the policy gives them.
          state: The raw state of the step that they were made at; needed by policies whose actions are relative to it.

        Raises:
          ObservationError: If such a policy is given no state.
        """
        recorded = self.processing.action.unnormalize(actions)
        if self.processing.relative_actions is None:
            return recorded
        if state is None:
            raise ObservationError(f"This policy's actions are relative to '{STATE}': give the raw state of the step.")
        return self.processing.relative_actions.to_absolute(recorded, state)

    def digest(self) -> str:
        """Returns the SHA-256 of all files that the policy is made of."""
        whole = hashlib.sha256()
        for path in sorted([self.path / "config.json", *weight_files(self.path), *self.path.glob("policy_*")]):
            with path.open("rb") as file:
                whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return whole.hexdigest()


def open_lerobot_folder(checkpoint: str | Path, *, kind: str | None = None) -> LeRobotFolder:
    """Opens a policy folder of LeRobot: a path, a training run's checkpoint above it, or 'hf://owner/name'.

    Args:
      checkpoint: Where it lies.
      kind: The family that is wanted, as config.json's `type` names it; None: any that is known.

    Raises:
      CheckpointError: If a file is missing or broken, or statistics that the policy needs are in none of the places of any version.
      ConfigError: If it is another kind of policy, or does something that is not known here.
    """
    path = _policy_path(checkpoint_folder(checkpoint, files=_FILES))
    config = read_policy_config(path)
    if kind is not None and config.kind != kind:
        raise ConfigError(f"{path} is a policy of type '{config.kind}', not '{kind}'.")
    stored = map_weights(path)
    processing = read_processing(path, config, stored)
    weights = {name: array for name, array in stored.items() if not is_old_statistic(name)}
    return LeRobotFolder(path, folder_name(checkpoint), config, weights, processing)


def _policy_path(path: Path) -> Path:
    """Returns the policy's folder: the given one, or `pretrained_model` in it, where lerobot-train puts it."""
    if not (path / "config.json").is_file() and (path / "pretrained_model" / "config.json").is_file():
        return path / "pretrained_model"
    if not path.is_dir():
        raise CheckpointError(f"There is no folder {path}. Give a LeRobot policy's folder, or 'hf://owner/name'.")
    return path
