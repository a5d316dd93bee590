"""`octoscope report`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.given import Given
from octoscope.studies.options.values import Batch, FigureFormat, Index, OneOf, Positive, Seed, Selected

PARTS = ("attention", "ablation", "language", "faithfulness", "sanity", "drop-tokens")


@dataclass(frozen=True)
class ReportOptions:
    """Write one page that shows attention and tests it: maps, shares, ablation, words, faithfulness, sanity, dropped tokens.

    Writes report/report.html (one file that needs nothing else), report.md and pictures/. Each part says what it shows and what it
    does not; one that the policy or the episodes do not allow says why. A few minutes for the embedded policy; --parts leaves out
    the long ones (faithfulness, sanity). Example:

    octoscope report hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:10 --parts attention ablation language
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: the first is drawn and ablated, all count for means and intervals: '0,3,5', '0:10', 'all'.
    episode: Annotated[str, Selected("episode")] = "0:10"
    # The step that is drawn and ablated; the middle of the first episode by default.
    step: Index | None = None
    # Steps of each episode for means, spread evenly.
    steps: Positive = 2
    # Of 'attention', 'ablation', 'language', 'faithfulness', 'sanity', 'drop-tokens'; all by default.
    parts: Annotated[tuple[str, ...], OneOf(PARTS)] = PARTS
    # Of the noise, the random regions and the random maps.
    seed: Seed = 0
    # Inputs run at once.
    batch: Batch = 16
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
        parts, unused = set(self.parts), {}
        if not {"attention", "ablation"} & parts:
            unused["step"] = "only the parts attention and ablation are of one step."
        if not {"language", "faithfulness"} & parts:
            unused["steps"] = "only the parts language and faithfulness take means over steps."
        if parts == {"attention"}:
            unused["batch"] = "the part attention runs one input at a time."
        return unused
