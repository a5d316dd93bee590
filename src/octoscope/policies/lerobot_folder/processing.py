"""What stands between a recording and the policy, gathered from the pipelines' files or from an old folder's weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.lerobot_folder.features import Feature, camera_name
from octoscope.policies.lerobot_folder.normalization import FeatureNormalization, normalization_of
from octoscope.policies.lerobot_folder.old_statistics import old_statistics
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig
from octoscope.policies.lerobot_folder.processors import (
    ABSOLUTE,
    DEVICE,
    NORMALIZER,
    RELATIVE,
    RENAME,
    TEXT_STEPS,
    TOKENIZER,
    UNNORMALIZER,
    Processors,
    ProcessorStep,
    read_processors,
)

_EPS = 1e-8
# LeRobot's own `normalization_mapping` of each policy, where a config does not say.
_MEAN_STD = {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
_DEFAULT_MODES = {
    "act": _MEAN_STD,
    "diffusion": {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"},
    "smolvla": {**_MEAN_STD, "VISUAL": "IDENTITY"},
    "pi0": {**_MEAN_STD, "VISUAL": "IDENTITY"},
    "pi05": {"VISUAL": "IDENTITY", "STATE": "QUANTILES", "ACTION": "QUANTILES"},
}


@dataclass(frozen=True)
class RelativeActions:
    """Which dimensions of an action are offsets to the raw state of the step that the chunk was made at."""

    # Words that exempt a dimension whose name contains one, in any case: "gripper".
    excluded: tuple[str, ...]
    # Names of the dimensions; None: nothing is exempt.
    names: tuple[str, ...] | None

    def mask(self, dim: int) -> Bool[np.ndarray, " dim"]:
        """Returns which dimensions are relative.

        >>> RelativeActions(("gripper",), ("shoulder", "RIGHT_GRIPPER.pos", "wrist")).mask(4)
        array([ True, False,  True,  True])
        """
        words = [word.lower() for word in self.excluded if word]
        names = [name.lower() for name in self.names or ()][:dim]
        return np.array([not any(word in name for word in words) for name in [*names, *[""] * (dim - len(names))]])

    def to_absolute(
        self, actions: Float32[np.ndarray, "*chunk dim"], state: Float32[np.ndarray, " number"]
    ) -> Float32[np.ndarray, "*chunk dim"]:
        """Returns actions with the raw state added where they are relative to it.

        Raises:
          CheckpointError: If the state has fewer entries than an action has dimensions.
        """
        dim = actions.shape[-1]
        if len(state) < dim:
            raise CheckpointError(
                f"Actions of {dim} dimensions are relative to the state, which has only {len(state)} entries."
            )
        return actions + state[:dim] * self.mask(dim)


@dataclass(frozen=True)
class Processing:
    """Renames, then the normalisation of each input; of actions, the way back."""

    # Recorded name -> the policy's.
    renames: Mapping[str, str]
    # By the policy's name of an input; every input is there.
    inputs: Mapping[str, FeatureNormalization]
    action: FeatureNormalization
    relative_actions: RelativeActions | None = None
    # The config of the step that makes word pieces, and the names of those that write the text before it.
    tokenizer: Mapping[str, Any] | None = None
    text_steps: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def own_renames(self) -> dict[str, str]:
        """The renames between names without LeRobot's prefixes, under which episodes and policies go here."""
        names = {camera_name(old): camera_name(new) for old, new in self.renames.items()}
        return {old: new for old, new in names.items() if old != new}


def read_processing(folder: Path, config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> Processing:
    """Returns what a folder does to a policy's inputs and outputs.

    Args:
      folder: The policy's folder.
      config: Its config.json.
      weights: The arrays of its model.safetensors, among which old folders keep their statistics.

    Raises:
      CheckpointError: If statistics are missing that the policy needs.
      ConfigError: If a step or mode is not known.
    """
    processors = read_processors(folder)
    return _of_old_folder(folder, config, weights) if processors is None else _of_pipelines(folder, config, processors)


def _of_old_folder(folder: Path, config: PolicyConfig, weights: Mapping[str, np.ndarray]) -> Processing:
    statistics = old_statistics(weights, (*config.inputs, config.action))
    modes = _modes(config.fields.get("normalization_mapping", _DEFAULT_MODES[config.kind]))
    source = f"{folder}, which has no processor files (policy_*processor.json) and"
    inputs = {
        feature.name: normalization_of(
            feature, modes.get(feature.kind, "IDENTITY"), statistics, eps=_EPS, source=source
        )
        for feature in config.inputs
    }
    action = normalization_of(config.action, modes.get("ACTION", "IDENTITY"), statistics, eps=_EPS, source=source)
    remark = "A folder of LeRobot 0.3 or older, without processor files: " + (
        "its statistics were read from inside the weights."
        if statistics
        else "it holds no statistics, and its config asks for none."
    )
    return Processing({}, inputs, action, remarks=(remark,))


def _of_pipelines(folder: Path, config: PolicyConfig, processors: Processors) -> Processing:
    before, after = processors.before, processors.after
    if NORMALIZER not in before or UNNORMALIZER not in after:
        raise CheckpointError(
            f"The pipelines of {folder} must hold '{NORMALIZER}' and '{UNNORMALIZER}'; they hold "
            f"{', '.join([*before, *after]) or 'nothing'}. Without them the policy would see other values than it was trained on."
        )
    relative = _read_relative_actions(dict(before[RELATIVE].config)) if RELATIVE in before else None
    absolute = bool(ABSOLUTE in after and after[ABSOLUTE].config.get("enabled", False))
    if (relative is not None) != absolute:
        raise ConfigError(
            f"{folder}: '{RELATIVE}' and '{ABSOLUTE}' must be enabled together. Copy the policy's folder again from its source."
        )
    normalizer, unnormalizer = before[NORMALIZER], after[UNNORMALIZER]
    left_out, inputs = [], {}
    chosen = normalizer.config.get("normalize_observation_keys")
    for feature in config.inputs:
        if chosen is not None and feature.name not in chosen:
            left_out.append(feature.name)
            inputs[feature.name] = FeatureNormalization("IDENTITY")
        else:
            inputs[feature.name] = _normalization(feature, normalizer)
    remarks = [f"Not normalised, as the folder says: {', '.join(left_out)}."] if left_out else []
    precision = before[DEVICE].config.get("float_dtype") if DEVICE in before else None
    if precision is not None:
        remarks.append(f"Saved to run on inputs in {precision}; here they stay in float32.")
    return Processing(
        renames=_renames(before, folder),
        inputs=inputs,
        action=_normalization(config.action, unnormalizer),
        relative_actions=relative,
        tokenizer=before[TOKENIZER].config if TOKENIZER in before else None,
        text_steps=tuple(name for name in before if name in TEXT_STEPS),
        remarks=tuple(remarks),
    )


def _normalization(feature: Feature, step: ProcessorStep) -> FeatureNormalization:
    # LeRobot normalises what the step itself lists as a feature, of the type listed there.
    listed = step.config.get("features") or {}
    mode = _modes(step.config.get("norm_map")).get(feature.kind, "IDENTITY")
    if mode != "IDENTITY" and feature.name not in listed:
        raise CheckpointError(
            f"The step '{step.name}' does not list '{feature.name}', an input or output of the policy that is normalised by {mode}. "
            "LeRobot would let it pass as it is; the policy was trained on other values. Save the policy with its processors again."
        )
    eps = step.config.get("eps", _EPS)
    if type(eps) not in (int, float) or not 0 <= eps < 1:
        raise ConfigError(f"`eps` of the step '{step.name}' must be a small number, got {eps!r}.")
    return normalization_of(feature, mode, step.arrays, eps=float(eps), source=step.source)


def _modes(mapping: Any) -> dict[str, str]:
    if not isinstance(mapping, Mapping) or not all(isinstance(mode, str) for mode in mapping.values()):
        raise ConfigError(f"A mapping from kinds of features to modes of normalisation was expected, got {mapping!r}.")
    return {str(kind): str(mode) for kind, mode in mapping.items()}


def _renames(steps: Mapping[str, ProcessorStep], folder: Path) -> dict[str, str]:
    renames = steps[RENAME].config.get("rename_map") if RENAME in steps else None
    if renames is None:
        return {}
    if not isinstance(renames, Mapping) or not all(isinstance(name, str) for name in renames.values()):
        raise ConfigError(f"`rename_map` in {folder} must map recorded names to the policy's, got {renames!r}.")
    if list(steps).index(RENAME) > list(steps).index(NORMALIZER):
        raise ConfigError(f"{folder} renames after it normalises, which is not read here.")
    return {str(recorded): str(name) for recorded, name in renames.items()}


def _read_relative_actions(config: dict[str, object]) -> RelativeActions | None:
    """Returns what `relative_actions_processor` does, or None where it is not enabled."""
    if not config.get("enabled", False):
        return None
    excluded, names = config.get("exclude_joints") or (), config.get("action_names")
    return RelativeActions(_texts(excluded), None if names is None else _texts(names))


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, Sequence) and not isinstance(values, str) else ()
