"""`octoscope cnn gradcam`: where a layer speaks for a class, or for an action."""

import functools
from collections.abc import Sequence

from tqdm import tqdm

from octoscope.cli.cnn_picture import open_picture
from octoscope.cnn.activation_maps.action_score import action_score, camera_picture
from octoscope.cnn.activation_maps.activation_maps import CAM_METHODS, activation_map
from octoscope.cnn.activation_maps.cam_sheet import cam_sheet
from octoscope.cnn.activation_maps.class_score import class_score
from octoscope.cnn.activation_maps.explained_score import ExplainedScore
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.cnn.networks.sources import open_network
from octoscope.episodes.sources import open_episodes
from octoscope.errors import SelectionError
from octoscope.escaping.terminal import say
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.render.view import save_view
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.cnn_gradcam import CnnGradcamOptions
from octoscope.studies.options.names import figure_files

SHEET = "gradcam"


class CnnGradcam(CnnGradcamOptions):
    """`octoscope cnn gradcam` at work."""

    def __call__(self) -> None:
        """Checks what was asked for, computes, draws, and says where it is."""
        methods = self.method or tuple(CAM_METHODS)
        for method in methods:
            if method not in CAM_METHODS:
                raise SelectionError(f"There is no class activation map '{method}'. Methods: {', '.join(CAM_METHODS)}.")
        network, scores, notes = self._of_class() if self.episodes is None else self._of_action()
        bar = tqdm([(score, method) for score in scores for method in methods], unit="map", desc="maps")
        maps = [activation_map(score, method) for score, method in bar]
        rows = [maps[start : start + len(methods)] for start in range(0, len(maps), len(methods))]
        sheet = cam_sheet(network, camera_picture(scores[0]), rows, smooth=self.smooth, notes=notes)
        with staged_output(self.output, figure_files(SHEET), overwrite=self.overwrite) as folder:
            save_view(sheet, folder / f"{SHEET}.{self.figure_format}")
        say(f"Where the layer speaks for the score: {self.output / f'{SHEET}.{self.figure_format}'}")

    def _of_class(self) -> tuple[GraphNetwork, list[ExplainedScore], list[str]]:
        network = open_network(self.network, camera=self.camera, classifier=True)
        picture = open_picture(self.image, network.input_size)
        make = functools.partial(class_score, network, picture)
        targets: Sequence[int | None] = self.target or (None,)
        return network, [make(target, layer=layer) for layer in self.layer or (None,) for target in targets], []

    def _of_action(self) -> tuple[GraphNetwork, list[ExplainedScore], list[str]]:
        model = OctoModel.load_pretrained(self.network)
        episodes = open_episodes(str(self.episodes))
        if not 0 <= self.episode < len(episodes):
            raise SelectionError(f"`--episode` must be in 0..{len(episodes) - 1}, got {self.episode}.")
        episode = episodes[self.episode]
        bound = bind(model, episode, BindOptions(self.task))
        words, inputs = bound.instruction, model.policy.tensors(bound.at(self.step))
        scores = []
        for layer in self.layer or (None,):
            for dim in self.dim:
                score = action_score(
                    model,
                    inputs.observation,
                    inputs.tasks,
                    dim=dim,
                    horizon_step=self.horizon_step,
                    camera=self.camera,
                    layer=layer,
                    seed=self.seed,
                )
                # An action has two directions, and each method shows one.
                scores += [score, score.negated()]
        note = (
            f"{self.episodes}, episode {self.episode}, step {self.step}: '{words}'. Scores are entries of the normalised action chunk; "
            "'minus' is the other direction."
        )
        return policy_network(model, self.camera), scores, [note]
