"""`octoscope maps`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.faithfulness.methods import DEFAULT_MAPS, KEY_METHODS
from octoscope.studies.options.given import Given
from octoscope.studies.options.values import Between, FigureFormat, Index, OneOf, Seed, Selected


@dataclass(frozen=True)
class MapsOptions:
    """Draw maps through the layers beside raw attention: rollout, relevance, flow, value norms; sinks marked.

    Writes maps/step_S.png (a row for each frame of the window, a column and a scale for each method), step_S.csv and .parquet, and
    sinks.md, with the length of what each sink moves. All are of the first readout. It needs the policy, since a run holds neither
    gradients nor values. Example:

    octoscope maps hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --step 0,4 --methods "last layer" rollout relevance flow
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episode, from 0.
    episode: Index = 0
    # Steps: '4', '0,2,5', '0:10', 'all'.
    step: Annotated[str, Selected("step")] = "0"
    # "last layer", "mean of heads", value-weighted, rollout, relevance, and the slow one: flow.
    methods: Annotated[tuple[str, ...], OneOf(tuple(KEY_METHODS))] = DEFAULT_MAPS
    # Dimension of the action that relevance is of; all by default, along the action.
    dimension: Index | None = None
    # Step of the horizon that relevance is of; all by default.
    horizon_step: Index | None = None
    # Share of a token that bypasses attention in rollout and flow, 0 to 1.
    residual_weight: Annotated[float, Between(0, 1)] = 0.5
    # Of the noise.
    seed: Seed = 0
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier call, and compute them anew.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

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
