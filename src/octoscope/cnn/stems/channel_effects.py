"""What removing the channels of a layer did to actions, beside what other noise does and what a random other channel does."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.cnn.networks.network import Layer
from octoscope.errors import SelectionError, nearest
from octoscope.policies.action_units import ActionUnits

# What a removed channel is set to: its mean over frames, unit by unit; 0.
CHANNEL_FILLS = ("mean", "zero")


@dataclass(frozen=True, eq=False)
class ChannelEffects:
    """The effect of every channel of one layer, at several steps, under two fills."""

    policy: str
    note: str
    camera: str
    layer: Layer
    # "tabletop/train/3 step 4", one for each step acted at.
    frames: tuple[str, ...]
    # Frames behind the means that channels were set to.
    averaged_over: int
    seed: int
    units: ActionUnits
    # False for dimensions that the dataset never moves: they do not count in `size`.
    moves: Bool[np.ndarray, " dim"]
    # `action_change` of the normalised chunk: in standard deviations of the dataset's actions. Fills as in CHANNEL_FILLS.
    size: Float[np.ndarray, "frame fill filter"]
    # The same per dimension, root mean square over the horizon, in `units`.
    change: Float[np.ndarray, "frame fill filter dim"]
    # `size` that other noise makes with nothing removed.
    noise: Float[np.ndarray, "frame draw"]
    noise_change: Float[np.ndarray, "frame draw dim"]

    @property
    def noise_floor(self) -> float:
        """The mean over draws and frames of the `size` of other noise; NaN where none was drawn."""
        return float(self.noise.mean()) if self.noise.size else float("nan")

    def mean_size(self, fill: str) -> Float[np.ndarray, " filter"]:
        """Returns each channel's `size`, mean over frames."""
        return self.size[:, _place(fill)].mean(axis=0)

    def mean_change(self, fill: str) -> Float[np.ndarray, "filter dim"]:
        """Returns each channel's change per dimension, mean over frames, in `units`."""
        return self.change[:, _place(fill)].mean(axis=0)

    def other_channel(self, fill: str) -> Float[np.ndarray, " filter"]:
        """Returns for each channel what a random other channel of the layer does: the mean over all others, so nothing is drawn."""
        sizes = self.mean_size(fill)
        return (sizes.sum() - sizes) / max(len(sizes) - 1, 1)

    def strongest(self, fill: str, count: int | None = None) -> list[int]:
        """Returns the channels by their mean `size`, largest first."""
        return np.argsort(-self.mean_size(fill), kind="stable")[:count].tolist()


def _place(fill: str) -> int:
    if fill not in CHANNEL_FILLS:
        raise SelectionError(
            f"`fill` must be one of {', '.join(CHANNEL_FILLS)}, got '{fill}'.{nearest(fill, CHANNEL_FILLS)}"
        )
    return CHANNEL_FILLS.index(fill)
