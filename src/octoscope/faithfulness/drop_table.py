"""What dropping image tokens does: error and time against the part that is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.escaping.markdown import markdown_text
from octoscope.faithfulness.score_table import Score
from octoscope.runs.column_table import ColumnTable


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
            "Time: the fastest of several steps, image encoder included.",
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
    # Of one step with that part of the tokens, without transfers; NaN where it was not measured.
    seconds: tuple[float, ...]
    # In the sequence, of all kinds; with "mask", those that can be looked at.
    tokens: tuple[int, ...]
    example: DropExample

    def to_markdown(self) -> str:
        """Returns the table."""
        lines = [
            f"# {markdown_text(f'Image tokens {WAYS[self.how].done}: {self.policy} on {self.dataset}')}",
            "",
            f"{self.steps} steps of {self.episodes} episodes. Change of the action chunk under the same noise (root mean square, in "
            f"standard deviations of the dataset's actions) when only this part of the image tokens {WAYS[self.how].kept}; 95 % "
            f"bootstrap intervals over episodes. {self.noise_sentence()} {WAYS[self.how].time} The image encoder still sees the whole "
            "picture.",
            *(["", markdown_text(self.note)] if self.note else []),
            "",
            f"| kept | tokens | time | {' | '.join(self.scores)} |",
            f"|---|---|---|{'---|' * len(self.scores)}",
        ]
        for place, part in enumerate(self.fractions):
            time = "-" if np.isnan(self.seconds[place]) else f"{1000 * self.seconds[place]:.1f} ms"
            errors = " | ".join(str(row[place]) for row in self.errors)
            lines.append(f"| {100 * part:.0f} % | {self.tokens[place]} | {time} | {errors} |")
        return "\n".join(lines)

    def noise_sentence(self) -> str:
        """Returns what other noise does."""
        if np.isnan(self.noise_floor.mean):
            return "No other noise was drawn."
        return f"Other noise alone changes it by {self.noise_floor}."

    def columns(self) -> ColumnTable:
        """Returns a row for each score and fraction."""
        rows = [
            (name, part, tokens, seconds, error.mean, error.low, error.high, self.noise_floor.mean)
            for name, errors in zip(self.scores, self.errors, strict=True)
            for part, tokens, seconds, error in zip(self.fractions, self.tokens, self.seconds, errors, strict=True)
        ]
        names = ("score", "kept", "tokens", "seconds", "error", "low", "high", "noise floor")
        return ColumnTable(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
