"""`octoscope language`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.given import Given
from octoscope.studies.options.spread import Spread
from octoscope.studies.options.values import Batch, FigureFormat, NotNegative, Positive, Seed, Selected


@dataclass(frozen=True)
class LanguageOptions:
    """Show whether the words matter: attention on them beside what other words, no words and shuffled words do to the action.

    Writes language/language.png, steps.csv and .parquet, and prints one number: the mean change of the action when the instruction is
    swapped for those of the other episodes. Example:

    octoscope language hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0,3,5', '0:10', 'all'.
    episode: Annotated[str, Selected("episode")] = "all"
    # Steps of each episode, spread evenly; all by default.
    steps: Positive | None = None
    # Other instructions; those of the other episodes by default.
    swap: tuple[str, ...] = ()
    # Draws of other noise, for the noise floor.
    noises: NotNegative = 8
    # Of the noise.
    seed: Seed = 0
    # Inputs run at once.
    batch: Batch = 16
    # Who does the episodes.
    spread: Spread = field(default_factory=Spread)
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Go on with what an earlier call kept, step by step, before it was stopped.
    resume: bool = False
    # Replace the results of an earlier call, and compute them anew.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")
