"""How LeRobot normalises a feature and takes it back, by mode, in float32 and in its order of operations: bit by bit.

MEAN_STD is (x - mean) / (std + eps), and back x * std + mean *without* eps. MIN_MAX and the quantiles bring a range to -1..1; a range
of zero becomes eps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.lerobot_folder.features import Feature

# The statistics that each mode uses, in the order (mean, std) or (low, high).
MODES: Mapping[str, tuple[str, ...]] = {
    "IDENTITY": (),
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}


@dataclass(frozen=True)
class FeatureNormalization:
    """The normalisation of one feature; of images along their last axis, the channels."""

    mode: str
    # (mean, std) or (low, high); empty for IDENTITY.
    statistics: tuple[Float32[np.ndarray, "*entries"], ...] = ()
    eps: float = 1e-8

    def normalize(self, values: Float32[np.ndarray, "*axes"]) -> Float32[np.ndarray, "*axes"]:
        """Returns values as the policy takes them.

        >>> mean_std = FeatureNormalization("MEAN_STD", (np.float32([1, 1]), np.float32([2, 4])))
        >>> mean_std.normalize(np.float32([3, 3]))
        array([1. , 0.5], dtype=float32)
        """
        if self.mode == "IDENTITY":
            return values
        first, second = self.statistics
        if self.mode == "MEAN_STD":
            return (values - first) / (second + np.float32(self.eps))
        return np.float32(2) * (values - first) / self._range - np.float32(1)

    def unnormalize(self, values: Float32[np.ndarray, "*axes"]) -> Float32[np.ndarray, "*axes"]:
        """Returns what the policy gives, in the units of the recording."""
        if self.mode == "IDENTITY":
            return values
        first, second = self.statistics
        if self.mode == "MEAN_STD":
            return values * second + first
        if self.mode == "MIN_MAX":
            return (values + np.float32(1)) / np.float32(2) * self._range + first
        return (values + np.float32(1)) * self._range / np.float32(2) + first

    @property
    def slope(self) -> Float32[np.ndarray, "*entries"]:
        """The derivative of `normalize`: brings a gradient from normalised values to those of the recording."""
        if self.mode == "IDENTITY":
            return np.ones((), np.float32)
        if self.mode == "MEAN_STD":
            return np.float32(1) / (self.statistics[1] + np.float32(self.eps))
        return np.float32(2) / self._range

    @property
    def _range(self) -> np.ndarray:
        low, high = self.statistics
        return np.where(high == low, np.float32(self.eps), high - low)


def normalization_of(
    feature: Feature, mode: str, statistics: Mapping[str, np.ndarray], *, eps: float, source: str
) -> FeatureNormalization:
    """Returns a feature's normalisation from all statistics of its folder.

    Args:
      feature: What is normalised.
      mode: One of `MODES`.
      statistics: By "FEATURE.STATISTIC", as the state files of processors name them.
      eps: What keeps a division from zero.
      source: Where the statistics come from, for errors.

    Raises:
      ConfigError: If the mode is not known.
      CheckpointError: If a statistic is missing, not finite, or of another shape than the feature: never taken as identity.
    """
    if mode not in MODES:
        raise ConfigError(
            f"'{feature.name}' is normalised by '{mode}', which is not known. LeRobot has {', '.join(MODES)}."
        )
    arrays = tuple(_statistic(feature, f"{feature.name}.{name}", statistics, mode, source) for name in MODES[mode])
    return FeatureNormalization(mode, arrays, eps)


def _statistic(
    feature: Feature, key: str, statistics: Mapping[str, np.ndarray], mode: str, source: str
) -> Float32[np.ndarray, "*entries"]:
    if key not in statistics:
        raise CheckpointError(
            f"'{feature.name}' is normalised by {mode}, but {source} holds no '{key}'. Without it the policy would see other values "
            "than it was trained on. Copy the policy's folder again from its source, with its processor files, or make them from the "
            "dataset that it was trained on."
        )
    array = np.array(statistics[key], np.float32)
    wanted = feature.shape[:1] if feature.kind == "VISUAL" else feature.shape
    if array.size not in (1, int(np.prod(wanted))):
        raise CheckpointError(
            f"'{key}' in {source} has the shape {array.shape}, but '{feature.name}' is {feature.shape}."
        )
    if not np.isfinite(array).all():
        raise CheckpointError(
            f"'{key}' in {source} is not finite: the policy was saved without its dataset's statistics. Save it with them."
        )
    return array.reshape(wanted if array.size > 1 else ())
