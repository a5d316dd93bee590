"""`octoscope faithfulness`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.faithfulness.methods import BACKWARD, DIRECT, METHODS
from octoscope.studies.options.given import Given
from octoscope.studies.options.names import CELL_FILLS
from octoscope.studies.options.spread import Spread
from octoscope.studies.options.values import Batch, Between, FigureFormat, Index, OneOf, Positive, Seed, Selected


@dataclass(frozen=True)
class FaithfulnessOptions:
    """Score maps against interventions: deletion, insertion, correlation with occlusion, and the named object where it is known.

    Writes faithfulness/scores.md, scores and curves as .csv and .parquet, scores.png, curves.png and maps.png, and with --sanity sanity.md.
    It reruns the policy about (methods x points x 2 + patches x 2) times a step. Example:

    octoscope faithfulness hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10 -o output
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0,3,5', '0:10', 'all'. Intervals are over episodes: give many.
    episode: Annotated[str, Selected("episode")] = "all"
    # Steps of each episode, spread evenly.
    steps: Positive = 3
    # Points of a curve between its ends.
    points: Positive = 8
    # Methods; all by default.
    methods: Annotated[tuple[str, ...], OneOf(METHODS)] = tuple(METHODS)
    # What stands where a cell was: grey, black, blur, surroundings, or keys to mask its tokens instead.
    deletion: Annotated[str, OneOf(CELL_FILLS)] = "grey"
    # The same, for insertion.
    insertion: Annotated[str, OneOf(CELL_FILLS)] = "blur"
    # The same, for the method 'occlusion'.
    occlusion: Annotated[str, OneOf(CELL_FILLS)] = "grey"
    # The same, for the occlusion that maps are correlated with.
    reference: Annotated[str, OneOf(CELL_FILLS)] = "surroundings"
    # Dimension of the action that gradients are of; all by default, along the action.
    dimension: Index | None = None
    # Step of the horizon that gradients are of; all by default.
    horizon_step: Index | None = None
    # Integrated gradients take more points of the path until their sum misses at most this part of f(x) - f(b), which it should be.
    path_tolerance: Annotated[float, Between(0, 1, above=True)] = 0.05
    # Also draw weights anew, from the head down, and report how alike the maps stay.
    sanity: bool = False
    # With --sanity: how often weights are drawn anew. Each costs all maps once more for each layer.
    draws: Positive = 1
    # Of the noise and the random map.
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

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if not self.sanity:
            unused["draws"] = "weights are drawn anew with --sanity only."
        if not {*BACKWARD, *DIRECT} & set(self.methods):
            unused |= dict.fromkeys(("dimension", "horizon_step"), "none of --methods takes a gradient.")
        if "integrated gradients" not in self.methods:
            unused["path_tolerance"] = "--methods is without integrated gradients."
        if "occlusion" not in self.methods:
            unused["occlusion"] = "--methods is without occlusion; what maps are correlated with is --reference."
        return unused
