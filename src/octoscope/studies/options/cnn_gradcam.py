"""`octoscope cnn gradcam`: what can be typed."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from octoscope.studies.options.given import Given
from octoscope.studies.options.meaning import Meaning, Topic
from octoscope.studies.options.names import CAMS, NETWORKS, PICTURES
from octoscope.studies.options.values import OneOf, Selected
from octoscope.studies.options.vocabulary import (
    OF_LAYERS,
    OF_METHODS,
    Camera,
    Episode,
    FigureFormat,
    HorizonStep,
    ImageOrEpisodes,
    Network,
    Output,
    Overwrite,
    Seed,
    Step,
)


@dataclass(frozen=True)
class CnnGradcamOptions:
    """Lay over a picture where a layer speaks for a class, by Grad-CAM, Grad-CAM++, Layer-CAM, Score-CAM and Ablation-CAM.

    Of a policy and EPISODES, the maps are of dimensions of its action. Writes gradcam.png. Examples:

    octoscope cnn gradcam squeezenet:weights.npz cat_dog.png --targets 242,282 -o out
    octoscope cnn gradcam demo demo --step 5 --dimensions 0 -o out
    """

    network: Network
    subject: ImageOrEpisodes = "demo"
    # Which classes: channels of the last layer; the one with the highest score by default: '242,282'.
    targets: Annotated[str | None, Selected("class"), Meaning("", Topic.LOOKED_AT, "WHICH")] = None
    # Or names, as in conv2,conv3; by default the last with a map that weights still follow.
    layers: Annotated[str | None, Selected("layer", or_names=True), OF_LAYERS] = None
    # All by default.
    methods: Annotated[tuple[str, ...], OneOf(CAMS), OF_METHODS] = ()
    # One here.
    episode: Episode = "0"
    step: Step = None
    # Which dimensions of the action, from 0: '0', '0,2', 'all'.
    dimensions: Annotated[str, Selected("dimension"), Meaning("", Topic.LOOKED_AT, "WHICH")] = "0"
    # The first by default.
    horizon_step: HorizonStep = None
    # Its image encoder is the network; the first by default.
    camera: Camera = None
    seed: Seed = 0
    # Interpolate between units instead of filling cells.
    smooth: bool = False
    given: Given = field(default_factory=Given)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    @property
    def explains_action(self) -> bool:
        """Whether the network is a policy and what is looked at are episodes, not a picture."""
        return self.network.partition(":")[0] not in NETWORKS and not self.subject.lower().endswith(PICTURES)

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        if self.explains_action:
            return {"targets": "of a policy and episodes an entry of the action is explained: --dimensions."}
        names = ("episode", "step", "dimensions", "horizon_step", "seed")
        names += tuple(each.name for each in fields(Given) if each.name not in ("turn", "swap_red_blue"))
        return dict.fromkeys(names, "of a picture a class is explained, and no policy acts: give POLICY EPISODES.")
