"""`octoscope cnn compare`: the same picture through all methods, with their cost and their sanity check."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tqdm import tqdm
from tyro.conf import Positional, arg

from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.activation_maps import CAM_METHODS
from octoscope.cnn.method_comparison import MethodRow, compare_methods, render_comparison
from octoscope.cnn.saliency import METHODS
from octoscope.cnn.sources import open_network
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.escaping.visible import visible
from octoscope.render.image_file import write_png
from octoscope.runs.staged_output import staged_output

SHEET = "compare.png"


@dataclass(frozen=True)
class CnnCompare:
    """Put one picture through all methods: which to choose, what each costs, and whether it follows the weights at all.

    Writes compare.png and prints the table. Example:

    octoscope cnn compare squeezenet:weights.npz cat_dog.png -o out
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # A picture file, or 'demo' for a frame of the embedded episode.
    image: Positional[str] = "demo"
    # Class, by number; the one with the highest score by default.
    target: int | None = None
    # Layer of the class activation maps; by default the last with a map that weights still follow.
    layer: str | None = None
    # gradient, guided, deconvnet, smoothgrad, integrated, gradcam, gradcam++, layercam, scorecam, ablationcam; all by default.
    method: tuple[str, ...] = ()
    # Steps of the weight-randomisation check.
    stages: int = 3
    # Of the random weights.
    seed: int = 0
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
    # Where the scales of pixel maps end; below 100 the strongest values are cut off, and the sheet says so.
    percentile: float = 100.0
    # Replace the results of an earlier run.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Runs every method, prints cost and similarity as they come, and draws."""
        every = (*METHODS, *CAM_METHODS)
        methods = self.method or every
        for method in methods:
            if method not in every:
                raise SelectionError(
                    f"There is no method '{method}'.{nearest(method, every)} Methods: {', '.join(every)}."
                )
        if not 50 <= self.percentile <= 100:
            raise SelectionError(f"`--percentile` must be in 50..100, got {self.percentile:g}.")
        network = open_network(self.network, camera=self.camera, classifier=True)
        picture = open_picture(self.image, network.input_size)
        say(f"{'method':<22} {'cost':<34} rank correlation with random weights, from the top down")
        with (
            staged_output(self.output, [SHEET], overwrite=self.overwrite) as folder,
            tqdm(total=len(methods), desc="methods") as bar,
        ):
            compared = compare_methods(
                network,
                picture,
                self.target,
                layer=self.layer,
                stages=self.stages,
                seed=self.seed,
                methods=methods,
                done=lambda row: _say(bar, row),
            )
            write_png(folder / SHEET, render_comparison(network, picture, compared, percentile=self.percentile))
        say(f"The sheet: {self.output / SHEET}")


def _say(bar: tqdm, row: MethodRow) -> None:
    bar.write(visible(f"{row.method:<22} {row.cost:<34} {'  '.join(stage.score for stage in row.stages)}"))
    bar.update()
