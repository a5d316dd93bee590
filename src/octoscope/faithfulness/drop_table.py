"""What dropping image tokens does: error and time against the part that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.faithfulness.score_table import Score
from octoscope.runs.column_table import ColumnTable


@dataclass(frozen=True, eq=False)
class DropExample:
    """One step, with the cells that each score keeps at one fraction."""

    episode: str
    step: int
    instruction: str
    fraction: float
    pictures: Mapping[str, UInt8[np.ndarray, "_ _ channel"]]
    # True where a cell is kept, by score and camera.
    kept: Mapping[str, Mapping[str, Bool[np.ndarray, "_ _"]]]


@dataclass(frozen=True, eq=False)
class DropTable:
    """Action error and time of a step, for each score and fraction."""

    policy: str
    # Of the policy, and on scores that it does not allow.
    note: str
    dataset: str
    episodes: int
    steps: int
    scores: tuple[str, ...]
    # Of image tokens that are kept, falling from 1.
    fractions: tuple[float, ...]
    # By score and fraction: change of the action chunk, normalised (see `action_change`), mean over episodes.
    errors: Sequence[Sequence[Score]]
    # The change under other noises.
    noise_floor: Score
    # Of one step with that part of the tokens, without transfers; NaN where it was not measured.
    seconds: tuple[float, ...]
    # In the sequence, of all kinds.
    tokens: tuple[int, ...]
    example: DropExample

    def to_markdown(self) -> str:
        """Returns the table."""
        lines = [
            f"# Dropping image tokens: {self.policy} on {self.dataset}",
            "",
            f"{self.steps} steps of {self.episodes} episodes. Change of the action chunk under the same noise (root mean square, in "
            "standard deviations of the dataset's actions) when only this part of the image tokens goes into the transformer; 95 % "
            f"bootstrap intervals over episodes. Other noise alone changes it by {self.noise_floor}. Time: the fastest of several steps, "
            "image encoder included, which still sees the whole picture.",
            *(["", self.note] if self.note else []),
            "",
            f"| kept | tokens | time | {' | '.join(self.scores)} |",
            f"|---|---|---|{'---|' * len(self.scores)}",
        ]
        for place, part in enumerate(self.fractions):
            time = "-" if np.isnan(self.seconds[place]) else f"{1000 * self.seconds[place]:.1f} ms"
            errors = " | ".join(str(row[place]) for row in self.errors)
            lines.append(f"| {100 * part:.0f} % | {self.tokens[place]} | {time} | {errors} |")
        return "\n".join(lines)

    def columns(self) -> ColumnTable:
        """Returns a row for each score and fraction."""
        rows = [
            (name, part, tokens, seconds, error.mean, error.low, error.high, self.noise_floor.mean)
            for name, errors in zip(self.scores, self.errors, strict=True)
            for part, tokens, seconds, error in zip(self.fractions, self.tokens, self.seconds, errors, strict=True)
        ]
        names = ("score", "kept", "tokens", "seconds", "error", "low", "high", "noise floor")
        return ColumnTable(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
