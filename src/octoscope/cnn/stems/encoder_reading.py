"""What can be read off an encoder's tokens, beside the same of untrained encoders and of raw pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.cnn.stems.ridge_regression import Reading, read_linearly


@dataclass(frozen=True)
class EncoderReadings:
    """Readings of several targets from several encodings, all over the same held-out episodes."""

    # By encoding, then by target.
    readings: Mapping[str, Mapping[str, Reading]]
    # Numbers in each encoding.
    entries: Mapping[str, int]

    @property
    def encodings(self) -> tuple[str, ...]:
        """Names of what was read from."""
        return tuple(self.readings)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what was read."""
        return tuple(next(iter(self.readings.values())))

    def r2(self) -> Float[np.ndarray, "encoding target"]:
        """Returns the scores as an array."""
        return np.array([[reading.r2 for reading in row.values()] for row in self.readings.values()])


def encoder_readings(
    tokens: Mapping[str, Float[np.ndarray, "frame row column _"]],
    targets: Mapping[str, Float[np.ndarray, "frame row column _"]],
    *,
    episodes: Int[np.ndarray, " frame"],
    folds: int = 5,
) -> EncoderReadings:
    """Returns how well each target is read off each kind of token, one token at a time.

    Args:
      tokens: By name, from `encode_frames` or `patch_pixels`; all of one grid.
      targets: By name, from `patch_targets`; NaN where there is nothing to tell.
      episodes: Which episode each frame is of: whole episodes are held out.
      folds: Parts that episodes are split into.

    Raises:
      ValueError: If there are frames of fewer than three episodes.

    >>> rng = np.random.default_rng(0)
    >>> tokens = {"tells": rng.normal(size=(9, 4, 4, 5))}
    >>> result = encoder_readings(tokens, {"first": tokens["tells"][..., :1]}, episodes=np.arange(9) // 3, folds=3)
    >>> result.r2().round(2).tolist()
    [[1.0]]
    """
    readings = {}
    for name, values in tokens.items():
        number = np.repeat(episodes, values.shape[1] * values.shape[2])
        flat = np.asarray(values, np.float64).reshape(len(number), -1)
        readings[name] = {
            target: read_linearly(flat, wanted.reshape(len(number), -1), episodes=number, folds=folds)
            for target, wanted in targets.items()
        }
    return EncoderReadings(readings, {name: values.shape[-1] for name, values in tokens.items()})
