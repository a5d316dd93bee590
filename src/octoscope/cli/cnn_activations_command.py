"""`octoscope cnn activations`: what filters of a layer see in a picture."""

import numpy as np
from tqdm import tqdm

from octoscope.array_typing import UInt8
from octoscope.capture.interrupt import StopAfterStep
from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Network, find_layer
from octoscope.cnn.networks.sources import open_network
from octoscope.cnn.saliency.saliency import check_method, filter_saliency
from octoscope.cnn.saliency.saliency_sheet import saliency_sheet
from octoscope.cnn.saliency.saliency_sweep import layers_with_filter, sweep_film
from octoscope.cnn.saliency.sanity_check import sanity_check
from octoscope.errors import Interrupted, SelectionError
from octoscope.escaping.terminal import say
from octoscope.render.film import write_gif
from octoscope.render.sheet_page import render_sheet
from octoscope.render.view import save_view
from octoscope.studies.cnn_findings import SALIENCY, SaliencyFinding, network_request
from octoscope.studies.options.cnn_activations import CnnActivationsOptions
from octoscope.studies.options.names import figure_files
from octoscope.studies.results import Results
from octoscope.studies.selection import parse_selection

SHEET, FILM = "activations", "activations.gif"


class CnnActivations(CnnActivationsOptions):
    """`octoscope cnn activations` at work."""

    def __call__(self) -> None:
        """Checks what was asked for, computes, draws, and says where it is."""
        check_method(self.method)
        if self.sanity < 0 or not 50 <= self.percentile <= 100:
            raise SelectionError(
                f"`--sanity` must be 0 or more and `--percentile` in 50..100, got {self.sanity}, {self.percentile}."
            )
        if self.layer is None and self.sweep != "layers":
            raise SelectionError(
                "Give --layer; `octoscope cnn layers NETWORK` lists them. Only --sweep layers needs none."
            )
        network = open_network(self.network, camera=self.camera)
        picture = open_picture(self.image, network.input_size)
        if self.sweep != "none":
            return self._film(network, picture)
        layer = find_layer(network, str(self.layer)).name
        filters = self._filters(network)
        how = {"method": self.method, "objective": self.objective, "unit": self.unit}

        def explain(drawn: Network) -> np.ndarray:
            return filter_saliency(drawn, picture, layer, filters[:1], **how)[0].values

        def make() -> SaliencyFinding:
            seen = filter_saliency(network, picture, layer, filters, **how)
            stages = sanity_check(network, layer, explain, stages=self.sanity, seed=self.seed)[1] if self.sanity else ()
            return SaliencyFinding(tuple(seen), tuple(stages))

        arguments = {**how, "picture": picture, "layer": layer, "filters": filters}
        arguments |= {"sanity": self.sanity, "seed": self.seed if self.sanity else None}
        request = network_request(self.output, SALIENCY, network, arguments, make)
        self._results.check()
        self._results.check_drawn_from([request])
        finding = request.get_or_make(overwrite=self.overwrite)
        seen: SaliencyFinding = finding.value
        with self._results.drawn([request]) as folder:
            sheet = saliency_sheet(
                picture, seen.filters, sanity=seen.stages, percentile=self.percentile, note=network.note
            )
            save_view(sheet, folder / f"{SHEET}.{self.figure_format}")
        say(*finding.sentences(), f"What the filters see: {self.output / SHEET}.{self.figure_format}")

    @property
    def _results(self) -> Results:
        return Results(self.output, "cnn_activations", self.overwrite, (*figure_files(SHEET), FILM))

    def _filters(self, network: GraphNetwork) -> list[int]:
        chosen = ",".join(self.filter) or ("all" if self.sweep == "filters" else "0")
        return parse_selection(chosen, count=find_layer(network, str(self.layer)).channels, what="filter")

    def _film(self, network: GraphNetwork, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        if self.objective == "unit":
            raise SelectionError("A sweep has no single unit: take --objective mean or strongest.")
        if self.sweep == "filters":
            places = [(str(self.layer), self._filters(network))]
        else:
            most = max(layer.channels for layer in network.layers)
            (number, *more) = parse_selection(",".join(self.filter) or "0", count=most, what="filter")
            if more:
                raise SelectionError(f"--sweep layers follows one filter, got '{' '.join(self.filter)}'.")
            places = [(layer.name, [number]) for layer in layers_with_filter(network, number)]
        total, frames = sum(len(filters) for _, filters in places), []
        with (
            self._results.drawn([]) as folder,
            tqdm(total=total, unit="frame", desc=self.method) as bar,
            StopAfterStep() as interrupt,
        ):
            film = sweep_film(
                network, picture, places, method=self.method, objective=self.objective, percentile=self.percentile
            )
            for frame in map(render_sheet, film.frames):
                frames.append(frame)
                bar.update()
                if interrupt.requested:
                    break
            write_gif(folder / FILM, frames, fps=self.fps)
        say(f"What the filters see, frame by frame: {self.output / FILM}")
        if len(frames) < total:
            raise Interrupted(f"interrupted; {len(frames)} of {total} frames are in {self.output / FILM}.")
