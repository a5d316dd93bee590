"""`octoscope maps`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from octoscope.faithfulness.methods import DEFAULT_MAPS, KEY_METHODS
from octoscope.studies.options.given import Given
from octoscope.studies.options.values import Between, OneOf
from octoscope.studies.options.vocabulary import (
    OF_METHODS,
    Dimension,
    Episode,
    Episodes,
    FigureFormat,
    HorizonStep,
    Output,
    Overwrite,
    Policy,
    Seed,
    StepsOrMiddle,
)


@dataclass(frozen=True)
class MapsOptions:
    """Draw maps through the layers beside raw attention: rollout, relevance, flow, value norms; sinks marked.

    Writes maps/step_S.png (a row for each frame of the window, a column and a scale for each method), step_S.csv and .parquet, and
    sinks.md, with the length of what each sink moves. All are of the first readout. It needs the policy, since a run holds neither
    gradients nor values. Example:

    octoscope maps hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --steps 0,4 --methods "last layer" rollout relevance flow
    """

    checkpoint: Policy
    episodes: Episodes
    # One here.
    episode: Episode = "0"
    # The middle of the episode by default.
    steps: StepsOrMiddle = None
    # flow is slow.
    methods: Annotated[tuple[str, ...], OneOf(tuple(KEY_METHODS)), OF_METHODS] = DEFAULT_MAPS
    dimension: Dimension = None
    # All by default.
    horizon_step: HorizonStep = None
    # Share of a token that bypasses attention in rollout and flow, 0 to 1.
    residual_weight: Annotated[float, Between(0, 1)] = 0.5
    seed: Seed = 0
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if "relevance" not in self.methods:
            unused |= dict.fromkeys(
                ("dimension", "horizon_step"), "only the method relevance is of an entry of the action."
            )
        if not {"rollout", "flow"} & set(self.methods):
            unused["residual_weight"] = "only the methods rollout and flow have it."
        return unused
