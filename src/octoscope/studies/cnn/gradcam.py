"""Where a layer speaks for a class, or for an action."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from octoscope.cnn.activation_maps.action_score import action_score, camera_picture
from octoscope.cnn.activation_maps.activation_maps import CAM_METHODS, activation_map
from octoscope.cnn.activation_maps.cam_sheet import cam_sheet
from octoscope.cnn.activation_maps.class_score import class_score
from octoscope.cnn.activation_maps.explained_score import ExplainedScore
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.cnn.networks.sources import open_network
from octoscope.errors import SelectionError
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.open_policy import claimed_policy
from octoscope.render.view import save_view
from octoscope.studies.cnn.findings import CAMS, CamFinding, network_request
from octoscope.studies.cnn.picture import open_picture
from octoscope.studies.made_from import plain_or_digest, value_digest
from octoscope.studies.opening import open_for
from octoscope.studies.options.cnn_gradcam import CnnGradcamOptions
from octoscope.studies.options.given import Given
from octoscope.studies.options.names import figure_files
from octoscope.studies.results import Results
from octoscope.studies.telling import Tell, silent

SHEET = "gradcam"


def gradcam(options: CnnGradcamOptions, *, tell: Tell = silent, progress: bool = False) -> CamFinding:
    """Returns where a layer bears on scores, after leaving it as a finding and a sheet drawn from it.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or results of another call lie there.
    """
    methods = options.method or tuple(CAM_METHODS)
    for method in methods:
        if method not in CAM_METHODS:
            raise SelectionError(f"There is no class activation map '{method}'. Methods: {', '.join(CAM_METHODS)}.")
    asked = _of_class(options, tell=tell) if options.episodes is None else _of_action(options)

    def make() -> CamFinding:
        pairs = [(score, method) for score in asked.scores for method in methods]
        maps = [
            activation_map(score, method)
            for score, method in tqdm(pairs, unit="map", desc="maps", disable=not progress)
        ]
        rows = [tuple(maps[start : start + len(methods)]) for start in range(0, len(maps), len(methods))]
        return CamFinding(camera_picture(asked.scores[0]), tuple(rows), asked.notes)

    arguments = {**asked.arguments, "methods": methods, "layers": options.layer}
    request = network_request(options.output, CAMS, asked.network, arguments, make)
    results = Results(options.output, "cnn_gradcam", options.overwrite, figure_files(SHEET))
    results.check()
    results.check_drawn_from([request])
    finding = request.get_or_make(overwrite=options.overwrite)
    cams: CamFinding = finding.value
    with results.drawn([request]) as folder:
        sheet = cam_sheet(asked.network, cams.picture, cams.rows, smooth=options.smooth, notes=cams.notes)
        save_view(sheet, folder / f"{SHEET}.{options.figure_format}")
    place = options.output / f"{SHEET}.{options.figure_format}"
    tell(*finding.sentences(), f"Where the layer speaks for the score: {place}")
    return cams


@dataclass(frozen=True, eq=False)
class _Asked:
    """The scores whose maps are wanted, and all that they depend on besides the network."""

    network: GraphNetwork
    scores: list[ExplainedScore]
    notes: tuple[str, ...]
    arguments: dict[str, Any]


def _of_class(options: CnnGradcamOptions, *, tell: Tell) -> _Asked:
    network = open_network(options.network, camera=options.camera, classifier=True)
    picture = open_picture(options.image, network.input_size, options.stored, tell=tell)
    make = functools.partial(class_score, network, picture)
    targets: Sequence[int | None] = options.target or (None,)
    scores = [make(target, layer=layer) for layer in options.layer or (None,) for target in targets]
    return _Asked(network, scores, (), {"picture": picture, "targets": options.target})


def _of_action(options: CnnGradcamOptions) -> _Asked:
    other = claimed_policy(options.network)
    if other is not None:
        raise SelectionError(
            f"Activation maps of an action are made of an Octo; {other.card.name} is of the family '{other.card.family}'. `octoscope "
            "faithfulness` makes maps of gradients of its action, `octoscope cnn features` shows its layers."
        )
    model = OctoModel.load_pretrained(options.network)
    stored = options.stored
    given = Given(split=stored.split, cameras=stored.cameras, turn=stored.turn, swap_red_blue=stored.swap_red_blue)
    episodes = open_for(model.policy, str(options.episodes), given)
    if not 0 <= options.episode < len(episodes):
        raise SelectionError(f"`--episode` must be in 0..{len(episodes) - 1}, got {options.episode}.")
    episode = episodes[options.episode]
    bound = bind(model, episode, BindOptions(options.task))
    words, inputs = bound.instruction, model.policy.tensors(bound.at(options.step))
    scores = []
    for layer in options.layer or (None,):
        for dim in options.dim:
            score = action_score(
                model,
                inputs.observation,
                inputs.tasks,
                dim=dim,
                horizon_step=options.horizon_step,
                camera=options.camera,
                layer=layer,
                seed=options.seed,
            )
            # An action has two directions, and each method shows one.
            scores += [score, score.negated()]
    note = (
        f"{options.episodes}, episode {options.episode}, step {options.step}: '{words}'. Scores are entries of the normalised action "
        "chunk; 'minus' is the other direction."
    )
    names = ("camera", "dim", "horizon_step", "seed", "step", "episode")
    arguments = {name: plain_or_digest(getattr(options, name)) for name in names}
    arguments |= {"policy_sha256": model.policy.digest(), "inputs": value_digest(bound.at(options.step))}
    return _Asked(policy_network(model, options.camera), scores, (note,), arguments)
