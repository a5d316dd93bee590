"""One recorded robot episode, as every reader gives it and every analysis takes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.episodes.frames.frames import Frames
from octoscope.escaping.html_card import html_card
from octoscope.escaping.visible import visible

# Frames of one camera: an array, or `Frames`, which has its shape and indices and decodes what is asked for.
CameraFrames = UInt8[np.ndarray, "time height width 3"] | UInt8[Frames, "time height width 3"]


@dataclass(frozen=True, repr=False)
class Episode:
    """One episode: what the cameras saw, what was asked, what the robot did."""

    # RGB, 0..255, as recorded (no resize, no crop), by camera name ("primary", "wrist"); may be empty.
    # What a reader gives is decoded when it is indexed; `np.asarray` decodes all frames of a camera at once.
    images: Mapping[str, CameraFrames]
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

    @classmethod
    def from_arrays(
        cls,
        images: Mapping[str, np.ndarray],
        *,
        instruction: str = "",
        actions: np.ndarray | None = None,
        name: str = "episode",
        dataset: str = "",
        **extras: np.ndarray,
    ) -> "Episode":
        """Returns an episode of arrays that you have, checked.

        Args:
          images: By camera, (time, height, width, 3), RGB, uint8.
          instruction: Words of the task.
          actions: (time, dim), in the dataset's units.
          name: For titles.
          dataset: Key of a policy's action statistics.
          **extras: Other arrays whose first axis is time: state=...

        Raises:
          ValueError: If an array has another shape or type, or they differ in length.

        >>> Episode.from_arrays({"primary": np.zeros((4, 8, 8, 3), np.uint8)}, instruction="lift it", state=np.zeros((4, 7)))
        Episode 'episode': 4 steps, "lift it"; cameras primary 8x8; with state 7
        """
        for camera, frames in images.items():
            if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
                raise ValueError(
                    f"`images['{camera}']` must be (time, height, width, 3) of uint8, RGB of 0..255, got {frames.shape} of {frames.dtype}."
                )
        if actions is not None and (np.ndim(actions) != 2 or not np.issubdtype(np.asarray(actions).dtype, np.number)):
            raise ValueError(f"`actions` must be (time, dim) of numbers, got {np.shape(actions)}.")
        numbers = {key: np.asarray(values) for key, values in extras.items()}
        recorded = {**images, **({} if actions is None else {"actions": actions}), **numbers}
        lengths = {key: len(values) if np.ndim(values) else 0 for key, values in recorded.items()}
        if len(set(lengths.values())) > 1 or not all(np.ndim(values) for values in recorded.values()):
            raise ValueError(f"All arrays must begin with the same time axis, got lengths {lengths}.")
        kept = None if actions is None else np.asarray(actions, np.float32)
        return cls(dict(images), instruction, kept, name, dataset, numbers)

    def __repr__(self) -> str:
        """Returns one line: what there is, and no numbers."""
        parts = [f"{name} {fact}" for name, fact in self._contents().items() if fact]
        told = f', "{visible(self.instruction)}"' if self.instruction else ""
        return f"Episode '{visible(self.name)}': {len(self)} steps{told}" + "".join(f"; {part}" for part in parts)

    def _repr_html_(self) -> str:
        frames = [images[len(images) // 2] for images in self.images.values() if len(images)]
        facts = {"steps": str(len(self)), "instruction": self.instruction, **self._contents()}
        return html_card(f"Episode {self.name}", facts | {"remarks": " ".join(self.remarks)}, frames)

    def _contents(self) -> dict[str, str]:
        cameras = (f"{camera} {images.shape[2]}x{images.shape[1]}" for camera, images in self.images.items())
        numbers = {name: "x".join(map(str, values.shape[1:])) or "1" for name, values in self.extras.items()}
        actions = "" if self.actions is None else str(self.actions.shape[1])
        also = ", ".join(f"{name} {shape}" for name, shape in numbers.items())
        return {"cameras": ", ".join(cameras), "actions": actions, "with": also}

    def __len__(self) -> int:
        """Returns the number of steps; 0 for an episode that holds nothing."""
        recorded = [*self.images.values(), *([] if self.actions is None else [self.actions]), *self.extras.values()]
        return len(recorded[0]) if recorded else 0
