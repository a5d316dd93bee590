"""How a policy uses its words, step by step, and the one number of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.faithfulness.score_table import Score
from octoscope.intervals import few_episodes
from octoscope.runs.column_table import ColumnTable

_COLUMNS = ("share", "even_share", "swapped", "silent", "shuffled", "noise")


@dataclass(frozen=True, eq=False)
class EpisodeLanguage:
    """One episode; changes are of the whole action chunk, normalised (see `action_change`), under the same noise."""

    name: str
    instruction: str
    # What was said instead.
    others: tuple[str, ...]
    steps: tuple[int, ...]
    # Of the readout's attention on real words, in front and repeated; mean over layers and heads.
    share: Float[np.ndarray, " step"]
    # The same under even attention.
    even_share: Float[np.ndarray, " step"]
    # Mean over the other instructions.
    swapped: Float[np.ndarray, " step"]
    # Without any instruction.
    silent: Float[np.ndarray, " step"]
    # NaN for an instruction of one word.
    shuffled: Float[np.ndarray, " step"]
    # Mean change under other noises.
    noise: Float[np.ndarray, " step"]


@dataclass(frozen=True, eq=False)
class LanguageTable:
    """The use of language over episodes."""

    policy: str
    note: str
    dataset: str
    episodes: tuple[EpisodeLanguage, ...]
    # Means over episodes of each of them, by name; "swapped" is the one number.
    numbers: Mapping[str, Score]
    seed: int

    def sentence(self) -> str:
        """Returns the one number, with what it has to be compared with."""
        swapped, noise = self.numbers["swapped"], self.numbers["noise"]
        text = f"Swapping the instruction changes the action of {self.policy} on {self.dataset} by {swapped}"
        if not np.isnan(noise.mean):
            text += f", other noise by {noise}" if noise.mean > 0 else "; it draws no noise"
        return f"{text}. {self.few}".strip()

    @property
    def few(self) -> str:
        """What must be said of so few episodes; "" for nothing."""
        return few_episodes(len(self.episodes))

    def columns(self) -> ColumnTable:
        """Returns a row for each step."""
        every = [(one, place) for one in self.episodes for place in range(len(one.steps))]
        return ColumnTable(
            {
                "episode": [one.name for one, _ in every],
                "step": [one.steps[place] for one, place in every],
                **{name: [float(getattr(one, name)[place]) for one, place in every] for name in _COLUMNS},
            }
        )
