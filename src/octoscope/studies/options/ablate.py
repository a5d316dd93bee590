"""`octoscope ablate`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from octoscope.studies.options.given import Given
from octoscope.studies.options.names import FILLS
from octoscope.studies.options.values import NotNegative, OneOf
from octoscope.studies.options.vocabulary import (
    Batch,
    Episode,
    Episodes,
    FigureFormat,
    Noises,
    Output,
    Overwrite,
    Policy,
    Resume,
    Seed,
    StepsOrMiddle,
)


@dataclass(frozen=True)
class AblateOptions:
    """Show what changes the action: cover, mask, blank or reword, and let the policy act again under the same noise.

    Writes ablation/effects.csv and step_S.png: each intervention's picture beside its effect, with the noise floor and random regions
    of the same area. Masked keys are also hidden from the readout alone, which is exact for the direct path only. Without --do: the named
    object (where the episode has masks), every camera, every word, the history. Example:

    octoscope ablate hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --steps 4 --do blank:primary mask:word:carrot
    """

    checkpoint: Policy
    episodes: Episodes
    # One here.
    episode: Episode = "0"
    # The middle of the episode by default.
    steps: StepsOrMiddle = None
    # blank:CAMERA, cover:CAMERA:2,3+2,4, mask:CAMERA, mask:CAMERA:2,3, mask:word:WORD, mask:group:GROUP, tell:WORDS, replace:WORD=OTHER,
    # silence, shuffle, remove:-2, nothing.
    do: tuple[str, ...] = ()
    # What is put over what is covered: grey, black, blur, surroundings. Nothing surrounds a whole frame: it is blurred instead.
    fill: Annotated[tuple[str, ...], OneOf(FILLS)] = ("grey", "surroundings")
    # Random regions for each intervention that has a place, clear of it.
    controls: NotNegative = 8
    noises: Noises = 8
    # Units of the action's dimensions, where the dataset's are not known here.
    units: tuple[str, ...] = ()
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
        kinds = [text.split(":") for text in self.do]
        unused: dict[str, str] = {}
        if kinds and not any(kind[0] in ("blank", "cover") for kind in kinds):
            unused["fill"] = "nothing is covered or blanked by --do."
        if kinds and not any(kind[0] == "cover" or (kind[0] == "mask" and len(kind) > 2) for kind in kinds):
            unused["controls"] = "nothing in --do has a place, or words, of which there could be others."
        return unused
