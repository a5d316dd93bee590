"""Times of a step by the number of tokens: what paired rounds tell, and when they tell nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.intervals import FEWEST, mean_interval


@dataclass(frozen=True, eq=False)
class StepTimes:
    """Seconds of a step, all numbers of tokens once in each round; no rounds where nothing was timed."""

    # Points are numbers of tokens, falling from all.
    seconds: Float[np.ndarray, "round point"]

    @property
    def rounds(self) -> int:
        """How often each point was timed."""
        return len(self.seconds)

    def quartiles(self) -> Float[np.ndarray, "3 point"]:
        """Returns lower quartile, median and upper quartile over rounds; NaN where nothing was timed."""
        if not self.rounds:
            return np.full((3, self.seconds.shape[1]), np.nan)
        return np.quantile(self.seconds, [0.25, 0.5, 0.75], axis=0)

    def ratios(self, to: int = 0) -> Float[np.ndarray, "3 point"]:
        """Returns low, middle and high of each point's time over another's of the same round: geometric means with 95 % intervals.

        Args:
          to: The point that others are compared with; all tokens by default.

        >>> StepTimes(np.array([[2.0, 1.0], [4.0, 2.0]])).ratios()[1].round(2).tolist()
        [1.0, 0.5]
        """
        if not self.rounds:
            return np.full((3, self.seconds.shape[1]), np.nan)
        logs = np.log(self.seconds / self.seconds[:, to : to + 1])
        ends = np.array([mean_interval(column) for column in logs.T]).T
        middle = logs.mean(axis=0)
        # Where every round has the same ratio, as a point has to itself, there is nothing to be unsure of.
        exact = np.ptp(logs, axis=0) < 1e-9
        return np.exp(np.stack([np.where(exact, middle, ends[0]), middle, np.where(exact, middle, ends[1])]))

    @property
    def noise(self) -> str:
        """Why these times are no finding; "" where they are one, or nothing was timed.

        A step with fewer tokens does less. If the fewest are not told to be faster, or a point is told to be slower than one with more
        tokens, the clock measured something else.
        """
        if not self.rounds or self.seconds.shape[1] < 2:
            return ""
        if self.rounds < FEWEST:
            return f"{self.rounds} rounds of timing are too few to tell times from noise ({FEWEST} are needed)."
        if self.ratios()[2, -1] >= 1.0:
            return (
                f"Times are noise here: over {self.rounds} paired rounds the fewest tokens are not told to be faster than all. The machine "
                "was busy, or a step is too short to matter."
            )
        if self._rises():
            return (
                f"Times are noise here: over {self.rounds} paired rounds some steps with fewer tokens are slower than steps with more. The "
                "machine was busy."
            )
        return ""

    def _rises(self) -> bool:
        # Programs of nearly the same length may differ by a few hundredths whatever the machine does.
        slower = 1.1
        return any((self.ratios(to)[0, to + 1 :] > slower).any() for to in range(self.seconds.shape[1] - 1))


def time_cells(times: StepTimes) -> Sequence[tuple[str, str]]:
    """Returns for each point what tables say: the median with its quartiles, and the paired ratio to all tokens."""
    if not times.rounds:
        return [("-", "-")] * times.seconds.shape[1]
    cells = []
    for quartiles, (low, middle, high) in zip(1000 * times.quartiles().T, times.ratios().T, strict=True):
        ends = "" if np.isnan(low) or low == high else f" ({low:.2f}..{high:.2f})"
        cells.append((f"{quartiles[1]:.1f} ms ({quartiles[0]:.1f}..{quartiles[2]:.1f})", f"{middle:.2f}{ends}"))
    return cells
