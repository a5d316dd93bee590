"""`octoscope report`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from octoscope.studies.options.given import Given
from octoscope.studies.options.values import OneOf
from octoscope.studies.options.vocabulary import (
    OF_PARTS,
    Batch,
    Episode,
    Episodes,
    FigureFormat,
    MaxSteps,
    Output,
    Overwrite,
    Policy,
    Resume,
    Seed,
    Step,
)

PARTS = ("attention", "ablation", "language", "faithfulness", "sanity", "drop-tokens")


@dataclass(frozen=True)
class ReportOptions:
    """Write one page that shows attention and tests it: maps, shares, ablation, words, faithfulness, sanity, dropped tokens.

    Writes report/report.html (one file that needs nothing else), report.md and pictures/. Each part says what it shows and what it
    does not; one that the policy or the episodes do not allow says why. A few minutes for the embedded policy; --parts leaves out
    the long ones (faithfulness, sanity). Example:

    octoscope report hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10 --parts attention ablation language
    """

    checkpoint: Policy
    episodes: Episodes
    # The first is drawn and ablated, all count for means and intervals.
    episode: Episode = "0:10"
    # Of the first episode; drawn and ablated.
    step: Step = None
    # For means.
    max_steps: MaxSteps = 2
    parts: Annotated[tuple[str, ...], OneOf(PARTS), OF_PARTS] = PARTS
    seed: Seed = 0
    batch: Batch = 16
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    figure_format: FigureFormat = "png"
    resume: Resume = False
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        parts, unused = set(self.parts), {}
        if not {"attention", "ablation"} & parts:
            unused["step"] = "only the parts attention and ablation are of one step."
        if not {"language", "faithfulness"} & parts:
            unused["max_steps"] = "only the parts language and faithfulness take means over steps."
        if parts == {"attention"}:
            unused["batch"] = "the part attention runs one input at a time."
        return unused
