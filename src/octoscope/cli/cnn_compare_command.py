"""`octoscope cnn compare`: the same picture through all methods, with their cost and their sanity check."""

from tqdm import tqdm

from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.activation_maps.activation_maps import CAM_METHODS
from octoscope.cnn.networks.sources import open_network
from octoscope.cnn.saliency.method_comparison import MethodRow, compare_methods, render_comparison
from octoscope.cnn.saliency.saliency import METHODS
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.escaping.visible import visible
from octoscope.render.image_file import write_png
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.cnn_compare import CnnCompareOptions

SHEET = "compare.png"


class CnnCompare(CnnCompareOptions):
    """`octoscope cnn compare` at work."""

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
