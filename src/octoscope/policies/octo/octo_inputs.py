"""What Octo's network takes for one decision, made of what every policy is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from octoscope.array_typing import Bool
from octoscope.errors import ObservationError
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.policies.octo.observation_keys import keys_read

# Which steps are real is told by the window, not by a recording.
_MASKS = ("timestep_pad_mask", "pad_mask", "pad_mask_dict")


@dataclass(frozen=True, eq=False)
class OctoInputs:
    """What the network takes for one decision; parts that were not changed are the very same objects."""

    # With leading (1, window); "timestep_pad_mask" among them.
    observation: Mapping[str, Any]
    # With leading (1,).
    tasks: Mapping[str, Any]
    # True where a key is hidden from a query, besides what rules and padding hide; None for nowhere.
    hidden: Bool[np.ndarray, "query key"] | None = None


# By identity of what they are made of, which is kept alive beside them.
KeptTasks = dict[tuple[Any, ...], tuple[Any, dict[str, Any]]]


@dataclass(eq=False)
class OctoTensors:
    """Makes the network's inputs; what two inputs share is made once, and is one object in both."""

    model: OctoModel
    # Those that were made before.
    tasks: KeptTasks = field(default_factory=dict)
    _observations: dict[tuple[int, ...], tuple[PolicyInputs, dict[str, Any]]] = field(default_factory=dict)

    def of(self, inputs: PolicyInputs) -> OctoInputs:
        """Returns the network's inputs.

        Raises:
          ObservationError: If a tokenizer can do neither with nor without what is given, or the policy takes no such words or goals.
        """
        given = (id(inputs.images), id(inputs.real), id(inputs.numbers))
        if given not in self._observations:
            self._observations[given] = (inputs, octo_observation(self.model, inputs))
        told = (inputs.instruction, id(inputs.instruction_encodings), id(inputs.goal_images))
        if told not in self.tasks:
            # On the device once, not at every step.
            tasks = jax.device_put(octo_tasks(self.model, inputs))
            self.tasks[told] = ((inputs.instruction_encodings, inputs.goal_images), tasks)
        return OctoInputs(self._observations[given][1], self.tasks[told][1], inputs.hidden)


def octo_observation(model: OctoModel, inputs: PolicyInputs) -> dict[str, Any]:
    """Returns the observation with leading (1, window): black images, marked as missing, where a tokenizer cannot do without.

    Raises:
      ObservationError: If a tokenizer can do neither with nor without what is given.
    """
    given = {f"image_{camera}": frames for camera, frames in inputs.images.items()} | dict(inputs.numbers)
    example = model.example_batch["observation"]
    missing = {
        key: np.zeros((inputs.window, *example[key].shape[2:]), example[key].dtype)
        for key in black_images(model, list(given))
    }
    present = {key: np.ones((1, inputs.window), bool) for key in given}
    absent = {key: np.zeros((1, inputs.window), bool) for key in missing}
    return {
        **{key: np.asarray(values)[None] for key, values in (given | missing).items()},
        "timestep_pad_mask": np.asarray(inputs.real)[None],
        "pad_mask_dict": present | absent,
    }


def octo_tasks(model: OctoModel, inputs: PolicyInputs) -> dict[str, Any]:
    """Returns the task for words, goal images, recorded encodings, several of them, or none.

    Raises:
      ObservationError: If the policy takes none of that kind.
    """
    goals = {f"image_{camera}": np.asarray(image)[None] for camera, image in inputs.goal_images.items()}
    if inputs.instruction_encodings is not None:
        goals["language_instruction"] = np.asarray(inputs.instruction_encodings)[None]
    if inputs.instruction is not None or goals:
        texts = None if inputs.instruction is None else [inputs.instruction]
        return model.create_tasks(texts=texts, goals=goals or None)
    if model.text_processor is None:
        return {"pad_mask_dict": {}}
    # Words taken away: their tokens are there, and masked.
    tasks = model.create_tasks(texts=[""])
    return {**tasks, "pad_mask_dict": {**tasks["pad_mask_dict"], "language_instruction": np.array([False])}}


def observation_names(model: OctoModel) -> list[str]:
    """Returns the keys of the observations that the policy was trained beside, sorted."""
    example = model.example_batch["observation"]
    return sorted({key for key, value in example.items() if hasattr(value, "shape")} - {*_MASKS})


def black_images(model: OctoModel, given: list[str]) -> tuple[str, ...]:
    """Returns the keys of images that are not given but that a tokenizer which stacks several cannot do without.

    Raises:
      ObservationError: If a tokenizer can do neither with nor without what is given.
    """
    tokenizers = model.module.octo_transformer.observation_tokenizers
    black: list[str] = []
    for name, keys in keys_read(tokenizers, observation_names(model)).items():
        missing = [key for key in keys if key not in given]
        if not missing or (len(missing) == len(keys) and tokenizers[name].proper_pad_mask):
            continue
        if not isinstance(tokenizers[name], ImageTokenizer):
            raise ObservationError(
                f"The policy's tokenizer '{name}' reads {', '.join(keys)} together and cannot do without {', '.join(missing)}."
            )
        black += missing
    return tuple(dict.fromkeys(black))
