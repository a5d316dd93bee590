"""What a policy is given for one decision, in words that every policy has."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from octoscope.array_typing import Bool, Float32, Int, UInt8


@dataclass(frozen=True, eq=False)
class PolicyInputs:
    """One decision's inputs, before the policy makes tensors of them; what is changed is a copy, what is not is the same object."""

    # By camera, at the policy's own size (see `PolicyModel.prepare`); oldest timestep first. A camera that is missing is missing here.
    images: Mapping[str, UInt8[np.ndarray, "window _height _width _channel"]]
    # False where a timestep is padded history.
    real: Bool[np.ndarray, " window"]
    # By name, as the policy takes them: proprioception normalised, say.
    numbers: Mapping[str, Float32[np.ndarray, "window ..."]] = field(default_factory=dict)
    # None for none.
    instruction: str | None = None
    # The instruction as vectors made elsewhere, for a policy that reads them instead of words.
    instruction_encodings: Float32[np.ndarray, "..."] | None = None
    # By camera, at the policy's size.
    goal_images: Mapping[str, UInt8[np.ndarray, "_height _width 3"]] = field(default_factory=dict)
    # Keys that are hidden from queries besides what rules and padding hide, over the whole layout; None for nowhere.
    hidden: Bool[np.ndarray, "query key"] | None = None
    # Places of the layout that stay in the sequence, in rising order; None for all.
    kept: Int[np.ndarray, " token"] | None = None
    # Whose robot acts: a policy of many robots may predict more numbers than it has.
    dataset: str = ""

    @property
    def window(self) -> int:
        """Timesteps of history."""
        return len(self.real)

    def with_images(self, camera: str, images: UInt8[np.ndarray, "window _height _width _channel"]) -> "PolicyInputs":
        """Returns the inputs with other images of a camera."""
        return replace(self, images={**self.images, camera: images})

    def differs_only_in_keys(self, other: "PolicyInputs") -> bool:
        """Whether nothing but hidden keys sets two inputs apart."""
        same = (
            self.images is other.images,
            self.real is other.real,
            self.numbers is other.numbers,
            self.instruction == other.instruction,
            self.instruction_encodings is other.instruction_encodings,
            self.goal_images is other.goal_images,
            self.kept is other.kept,
            self.dataset == other.dataset,
        )
        return all(same)
