"""`octoscope ablate`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.given import Given
from octoscope.studies.options.names import FILLS
from octoscope.studies.options.values import Batch, FigureFormat, Index, NotNegative, OneOf, Seed, Selected


@dataclass(frozen=True)
class AblateOptions:
    """Show what changes the action: cover, mask, blank or reword, and let the policy act again under the same noise.

    Writes ablation/effects.csv and step_S.png: each intervention's picture beside its effect, with the noise floor and random regions
    of the same area. Masked keys are also hidden from the readout alone, which is exact for the direct path only. Without --do: the named
    object (where the episode has masks), every camera, every word, the history. Example:

    octoscope ablate hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --step 4 --do blank:primary mask:word:carrot
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episode, from 0.
    episode: Index = 0
    # Steps: '4', '0,2,5', '0:10', 'all'.
    step: Annotated[str, Selected("step")] = "0"
    # blank:CAMERA, cover:CAMERA:2,3+2,4, mask:CAMERA, mask:CAMERA:2,3, mask:word:WORD, mask:group:GROUP, tell:WORDS, replace:WORD=OTHER,
    # silence, shuffle, remove:-2, nothing.
    do: tuple[str, ...] = ()
    # What is put over what is covered: grey, black, blur, surroundings. Nothing surrounds a whole frame: it is blurred instead.
    fill: Annotated[tuple[str, ...], OneOf(FILLS)] = ("grey", "surroundings")
    # Random regions for each intervention that has a place, clear of it.
    controls: NotNegative = 8
    # Draws of other noise, for the noise floor.
    noises: NotNegative = 8
    # Units of the action's dimensions, where the dataset's are not known here.
    units: tuple[str, ...] = ()
    # Of the noise and the random regions.
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
        kinds = [text.split(":") for text in self.do]
        unused: dict[str, str] = {}
        if kinds and not any(kind[0] in ("blank", "cover") for kind in kinds):
            unused["fill"] = "nothing is covered or blanked by --do."
        if kinds and not any(kind[0] == "cover" or (kind[0] == "mask" and len(kind) > 2) for kind in kinds):
            unused["controls"] = "nothing in --do has a place, or words, of which there could be others."
        return unused
