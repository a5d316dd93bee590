"""What dropping image tokens does: error and time against the part that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.escaping.markdown import markdown_table, markdown_text
from octoscope.faithfulness.score_table import Score
from octoscope.faithfulness.step_times import StepTimes, time_cells
from octoscope.intervals import few_episodes
from octoscope.runs.column_table import ColumnTable

_TIMES = ("seconds", "seconds lower quartile", "seconds upper quartile")
_TIMES += ("ratio to all", "ratio low", "ratio high", "rounds")
_FLOOR = ("noise floor", "noise floor low", "noise floor high")


@dataclass(frozen=True)
class Way:
    """How image tokens are dropped, in words."""

    done: str
    kept: str
    time: str


# Both give the same action, up to rounding; only one of them saves time.
WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "remove": Way(
            "removed",
            "goes into the transformer: the others leave the sequence before the first block",
            "Time: of a step, image encoder included; all parts were timed in turn, in rounds: the median with its quartiles, and the mean "
            "ratio to all tokens within a round with its 95 % interval.",
        ),
        "mask": Way(
            "masked",
            "can be looked at: the others stay in the sequence as masked keys",
            "Masking saves no time, so none is measured.",
        ),
    }
)


@dataclass(frozen=True, eq=False)
class DropExample:
    """One step, with the cells that each score keeps at some fractions."""

    episode: str
    step: int
    instruction: str
    # Falling.
    fractions: tuple[float, ...]
    pictures: Mapping[str, UInt8[np.ndarray, "_ _ channel"]]
    # True where a cell is kept: by score and camera, for each fraction.
    kept: Mapping[str, Mapping[str, Sequence[Bool[np.ndarray, "_ _"]]]]


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
    # "remove": the others leave the sequence; "mask": they stay, and nobody can look at them.
    how: str
    # Of image tokens that are kept, falling from 1.
    fractions: tuple[float, ...]
    # By score and fraction: change of the action chunk, normalised (see `action_change`), mean over episodes.
    errors: Sequence[Sequence[Score]]
    # The change under other noises.
    noise_floor: Score
    # Of one step with each part of the tokens, without transfers.
    times: StepTimes
    # In the sequence, of all kinds; with "mask", those that can be looked at.
    tokens: tuple[int, ...]
    example: DropExample

    def to_markdown(self) -> str:
        """Returns the table."""
        timed = time_cells(self.times)
        lines = [
            f"# {markdown_text(f'Image tokens {WAYS[self.how].done}: {self.policy} on {self.dataset}')}",
            "",
            f"{self.steps} steps of {self.episodes} episodes. Change of the action chunk under the same noise (root mean square, in "
            f"standard deviations of the dataset's actions) when only this part of the image tokens {WAYS[self.how].kept}; means "
            f"over n episodes with 95 % intervals (the outer of Student's t and the studentised bootstrap). {self.noise_sentence()} "
            f"{WAYS[self.how].time} The image encoder still sees the whole picture.",
            *(["", self.few] if self.few else []),
            *(["", self.times.noise] if self.times.noise else []),
            *(["", markdown_text(self.note)] if self.note else []),
            "",
        ]
        head = ["kept", "tokens", f"time, {self.times.rounds} rounds", "of all, paired", *self.scores]
        rows = [
            [f"{100 * part:.0f} %", str(self.tokens[place]), *timed[place], *(str(row[place]) for row in self.errors)]
            for place, part in enumerate(self.fractions)
        ]
        return "\n".join([*lines, *markdown_table(head, rows)])

    @property
    def few(self) -> str:
        """What must be said of so few episodes; "" for nothing."""
        return few_episodes(self.episodes)

    def noise_sentence(self) -> str:
        """Returns what other noise does."""
        if np.isnan(self.noise_floor.mean):
            return "No other noise was drawn."
        return f"Other noise alone changes it by {self.noise_floor}."

    def columns(self) -> ColumnTable:
        """Returns a row for each score and fraction."""
        floor = self.noise_floor
        rows = [
            (
                name,
                part,
                tokens,
                *seconds,
                error.mean,
                error.low,
                error.high,
                error.episodes,
                floor.mean,
                floor.low,
                floor.high,
            )
            for name, errors in zip(self.scores, self.errors, strict=True)
            for part, tokens, seconds, error in zip(self.fractions, self.tokens, self._time_rows(), errors, strict=True)
        ]
        names = ("score", "kept", "tokens", *_TIMES, "error", "low", "high", "episodes", *_FLOOR)
        return ColumnTable.of_rows(names, rows)

    def _time_rows(self) -> list[tuple[float | int, ...]]:
        low, middle, high = self.times.quartiles()
        numbers = np.stack([middle, low, high, *self.times.ratios()[[1, 0, 2]]]).T
        return [(*row.tolist(), self.times.rounds) for row in numbers]
