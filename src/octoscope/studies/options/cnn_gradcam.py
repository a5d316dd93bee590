"""`octoscope cnn gradcam`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.names import CAMS
from octoscope.studies.options.stored import StoredFrames
from octoscope.studies.options.values import MOST, Between, FigureFormat, NotNegative, OneOf, Seed


@dataclass(frozen=True)
class CnnGradcamOptions:
    """Lay over a picture where a layer speaks for a class, by Grad-CAM, Grad-CAM++, Layer-CAM, Score-CAM and Ablation-CAM.

    With --episodes the network is a policy, and the maps are of one dimension of its action. Writes gradcam.png. Examples:

    octoscope cnn gradcam squeezenet:weights.npz cat_dog.png --target 242 282 -o out
    octoscope cnn gradcam demo --episodes demo --step 5 --dim 0 -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A picture file, or 'demo' for a frame of the embedded episode; the episode's own frame with --episodes.
    image: Positional[str] = "demo"
    # Classes, by number: channels of the last layer; the one with the highest score by default.
    target: Annotated[tuple[int, ...], Between(0, MOST)] = ()
    # Layers that maps are taken at; by default the last with a map that weights still follow.
    layer: tuple[str, ...] = ()
    # gradcam, gradcam++, layercam, scorecam, ablationcam; all by default.
    method: Annotated[tuple[str, ...], OneOf(CAMS)] = ()
    # An RLDS dataset, or 'demo': explain the policy's action on one of its steps.
    episodes: str | None = None
    # Which episode.
    episode: NotNegative = 0
    # Which step of the episode.
    step: NotNegative = 0
    # Which dimensions of the action.
    dim: Annotated[tuple[int, ...], Between(0, MOST)] = (0,)
    # Which step of the action chunk.
    horizon_step: NotNegative = 0
    # Words to use instead of the episode's instruction.
    task: str | None = None
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # Of the noise that actions are denoised from.
    seed: Seed = 0
    # Interpolate between units instead of filling cells.
    smooth: bool = False
    # How pictures are stored.
    stored: StoredFrames = field(default_factory=StoredFrames)
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        if self.episodes is not None:
            return {"target": "with --episodes an entry of the action is explained: --dim."}
        names = ("episode", "step", "dim", "horizon_step", "task", "seed", "split", "cameras")
        return dict.fromkeys(names, "without --episodes a class is explained, and no policy acts.")
