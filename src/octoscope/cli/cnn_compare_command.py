"""`octoscope cnn compare`: the same picture through all methods, with their cost and their sanity check."""

from tqdm import tqdm

from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.activation_maps.activation_maps import CAM_METHODS
from octoscope.cnn.networks.sources import open_network
from octoscope.cnn.saliency.method_comparison import MethodRow, compare_methods, comparison_sheet
from octoscope.cnn.saliency.saliency import METHODS
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.render.view import save_view
from octoscope.studies.cnn_findings import COMPARISON, ComparisonFinding, network_request
from octoscope.studies.options.cnn_compare import CnnCompareOptions
from octoscope.studies.options.names import figure_files
from octoscope.studies.results import Results

SHEET = "compare"


class CnnCompare(CnnCompareOptions):
    """`octoscope cnn compare` at work."""

    def __call__(self) -> None:
        """Runs every method, draws, and prints cost and similarity."""
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
        arguments = {"picture": picture, "target": self.target, "layer": self.layer, "stages": self.stages}
        arguments |= {"seed": self.seed, "methods": methods}
        results = Results(self.output, "cnn_compare", self.overwrite, tuple(figure_files(SHEET)))
        results.check()
        with tqdm(total=len(methods), desc="methods") as bar:

            def advance(_: MethodRow) -> None:
                bar.update()

            def make() -> ComparisonFinding:
                target, score, cam_layer, rows = compare_methods(
                    network,
                    picture,
                    self.target,
                    layer=self.layer,
                    stages=self.stages,
                    seed=self.seed,
                    methods=methods,
                    done=advance,
                )
                return ComparisonFinding(target, score, cam_layer, tuple(rows))

            request = network_request(self.output, COMPARISON, network, arguments, make)
            results.check_drawn_from([request])
            finding = request.get_or_make(overwrite=self.overwrite)
        compared: ComparisonFinding = finding.value
        with results.drawn([request]) as folder:
            rows = (compared.target, compared.score, compared.cam_layer, list(compared.rows))
            sheet = comparison_sheet(network, picture, rows, percentile=self.percentile)
            save_view(sheet, folder / f"{SHEET}.{self.figure_format}")
        say(f"{'method':<22} {'cost':<34} rank correlation with random weights, from the top down")
        say(
            *(_line(row) for row in compared.rows),
            *finding.sentences(),
            f"The sheet: {self.output / SHEET}.{self.figure_format}",
        )


def _line(row: MethodRow) -> str:
    return f"{row.method:<22} {row.cost:<34} {'  '.join(stage.score for stage in row.stages)}"
