"""policy_preprocessor.json and policy_postprocessor.json: the steps between a recording and the policy, read, never run from a name.

A step that is not known is refused: what it does to the inputs would be left out in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.safetensors_file import map_safetensors
from octoscope.errors import CheckpointError, ConfigError, nearest

PREPROCESSOR = "policy_preprocessor.json"
POSTPROCESSOR = "policy_postprocessor.json"
NORMALIZER = "normalizer_processor"
UNNORMALIZER = "unnormalizer_processor"
RENAME = "rename_observations_processor"
TOKENIZER = "tokenizer_processor"
RELATIVE = "relative_actions_processor"
ABSOLUTE = "absolute_actions_processor"
DEVICE = "device_processor"
# A batch axis is ours to make, and the device and its precision are the user's choice.
_WITHOUT_EFFECT = ("to_batch_processor", DEVICE)
# They say how an instruction becomes a text; the families that take words read them.
TEXT_STEPS = ("smolvla_new_line_processor", "pi0_new_line_processor", "pi05_prepare_state_tokenizer_processor_step")
_PREPROCESSOR_STEPS = (*_WITHOUT_EFFECT, *TEXT_STEPS, RENAME, TOKENIZER, RELATIVE, NORMALIZER)
_POSTPROCESSOR_STEPS = (*_WITHOUT_EFFECT, UNNORMALIZER, ABSOLUTE)


@dataclass(frozen=True)
class ProcessorStep:
    """One step of a pipeline as it is written."""

    name: str
    config: Mapping[str, Any]
    # Arrays beside it, by "FEATURE.STATISTIC"; empty where it names no file.
    arrays: Mapping[str, np.ndarray]
    # What its arrays came from, for errors.
    source: str


@dataclass(frozen=True)
class Processors:
    """Both pipelines of a folder, each step by its registered name, in order."""

    before: Mapping[str, ProcessorStep]
    after: Mapping[str, ProcessorStep]


def read_processors(folder: Path) -> Processors | None:
    """Returns the pipelines of a policy folder, or None where it has neither: folders of LeRobot 0.3 and older.

    Raises:
      CheckpointError: If one of the files, or a file of statistics that it names, is missing or broken.
      ConfigError: If a step is not known.
    """
    present = [name for name in (PREPROCESSOR, POSTPROCESSOR) if (folder / name).is_file()]
    if not present:
        return None
    if len(present) == 1:
        (missing,) = {PREPROCESSOR, POSTPROCESSOR} - set(present)
        raise CheckpointError(
            f"{folder} holds {present[0]} but no {missing}. Copy the policy's folder again from its source."
        )
    return Processors(
        _read_pipeline(folder, PREPROCESSOR, _PREPROCESSOR_STEPS),
        _read_pipeline(folder, POSTPROCESSOR, _POSTPROCESSOR_STEPS),
    )


def _read_pipeline(folder: Path, file: str, known: tuple[str, ...]) -> dict[str, ProcessorStep]:
    content = read_json(folder / file)
    entries = content.get("steps") if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ConfigError(f"{folder / file} must hold a list `steps` of objects. Copy it again from its source.")
    steps: dict[str, ProcessorStep] = {}
    for entry in entries:
        name = str(entry.get("registry_name") or entry.get("class"))
        if name not in known:
            raise ConfigError(
                f"The step '{name}' of {folder / file} is not known here, and leaving it out would change what the policy sees. "
                f"Known are {', '.join(known)}.{nearest(name, known)}"
            )
        if name in steps and name not in _WITHOUT_EFFECT:
            raise ConfigError(f"{folder / file} holds the step '{name}' twice, of which one is read here.")
        steps[name] = _read_step(folder, name, entry)
    return steps


def _read_step(folder: Path, name: str, entry: Mapping[str, Any]) -> ProcessorStep:
    config, file = entry.get("config") or {}, entry.get("state_file")
    if not isinstance(config, Mapping):
        raise ConfigError(f"The step '{name}' in {folder} must have an object `config`, got {config!r}.")
    if file is None:
        return ProcessorStep(name, config, {}, f"the step '{name}', which names no file of statistics,")
    # The file lies in the folder: a path that leads out of it is none of this policy's.
    path = folder / Path(str(file)).name
    return ProcessorStep(name, config, map_safetensors(path), path.name)
