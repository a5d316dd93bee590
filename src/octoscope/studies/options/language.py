"""`octoscope language`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path

from octoscope.studies.options.given import Given
from octoscope.studies.options.spread import Spread
from octoscope.studies.options.vocabulary import (
    Batch,
    Episode,
    Episodes,
    FigureFormat,
    MaxStepsOrAll,
    Noises,
    Output,
    Overwrite,
    Policy,
    Resume,
    Seed,
)


@dataclass(frozen=True)
class LanguageOptions:
    """Show whether the words matter: attention on them beside what other words, no words and shuffled words do to the action.

    Writes language/language.png, steps.csv and .parquet, and prints one number: the mean change of the action when the instruction is
    swapped for those of the other episodes. Example:

    octoscope language hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10
    """

    checkpoint: Policy
    episodes: Episodes
    episode: Episode = "all"
    # All by default.
    max_steps: MaxStepsOrAll = None
    # Other instructions; those of the other episodes by default.
    swap: tuple[str, ...] = ()
    noises: Noises = 8
    seed: Seed = 0
    batch: Batch = 16
    # Who does the episodes.
    spread: Spread = field(default_factory=Spread)
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    figure_format: FigureFormat = "png"
    resume: Resume = False
    overwrite: Overwrite = False
    output: Output = Path("output")
