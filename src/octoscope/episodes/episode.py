"""One recorded robot episode, as every reader gives it and every analysis takes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from octoscope.array_typing import Float, UInt8


@dataclass(frozen=True)
class Episode:
    """One episode: what the cameras saw, what was asked, what the robot did."""

    # RGB, 0..255, as recorded (no resize, no crop), by camera name ("primary", "wrist"); may be empty.
    images: Mapping[str, UInt8[np.ndarray, "time height width 3"]]
    # The words of the task; "" when the recording has none.
    instruction: str
    # As recorded, in the dataset's own units; None when the recording has none.
    actions: Float[np.ndarray, "time dim"] | None
    # Where it came from, for titles and provenance: "bridge_dataset/train/3".
    name: str
    # Name of the dataset, the key of a policy's action statistics ("bridge_dataset").
    dataset: str
    # Other recorded arrays whose first axis is time, by their recorded name ("state").
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    # What one should know of these frames and words, a sentence each: that they come from a lossy video, that steps were cut.
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Returns the number of steps; 0 for an episode that holds nothing."""
        recorded = [*self.images.values(), *([] if self.actions is None else [self.actions]), *self.extras.values()]
        return len(recorded[0]) if recorded else 0
