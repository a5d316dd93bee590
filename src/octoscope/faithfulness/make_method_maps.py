"""Maps through the layers beside raw attention, for the readout of one step: rollout, relevance, flow, value norms; sinks told.

Raw attention, norms and rollout take the forward that acts, relevance one forward and backward more. Flow takes a maximum flow for each
patch (half a minute a step for 160 patches and 4 layers), so it has to be asked for. Sinks take a forward of every step of the episode.
"""

from collections.abc import Sequence

from octoscope.attention.maps import placed_spans
from octoscope.attention.query import find_query
from octoscope.attention.sinks import find_sinks
from octoscope.capture.attend import attend
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, nearest
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.key_maps import key_values
from octoscope.faithfulness.map_makers import counted_dimensions
from octoscope.faithfulness.method_maps import MethodMaps
from octoscope.faithfulness.methods import KEY_METHODS
from octoscope.faithfulness.readout_maps import possible_methods
from octoscope.faithfulness.step_gradients import GradientPrograms
from octoscope.faithfulness.step_maps import readout_row
from octoscope.interventions.intervene import noise_key, robot_statistics
from octoscope.interventions.step_scene import StepScene
from octoscope.octo.model import OctoModel

DEFAULT_MAPS = ("last layer", "mean of heads", "value-weighted", "rollout", "relevance")


def method_maps(
    model: OctoModel,
    episode: Episode,
    steps: Sequence[int],
    *,
    methods: Sequence[str] = DEFAULT_MAPS,
    target: ActionTarget | None = None,
    residual_weight: float = 0.5,
    instruction: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> tuple[MethodMaps, ...]:
    """Returns the maps of several methods for the readout of each step, beside its raw attention.

    Args:
      model: The policy.
      episode: The recording.
      steps: Of the episode.
      methods: Of KEY_METHODS: "flow" is the slow one.
      target: Which entry of the action relevance is of; all along the action by default.
      residual_weight: Share of a token that bypasses attention in rollout and flow, in [0, 1].
      instruction: Words to use instead of the episode's.
      seed: Of the noise.
      progress: Show a progress bar.

    Raises:
      SelectionError: If a method or step does not exist, or no token has a place in an image.
      EpisodeError: If the episode lacks what the policy needs.

    Example:
      >>> import octoscope as osc
      >>> model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
      >>> (found,) = method_maps(model, episode, [4], methods=["last layer", "rollout"])
      >>> [(one.camera, one.steps_back, one.weights.shape) for one in found.maps("rollout")][:2]
      [('primary', 1, (1, 8, 8)), ('primary', 0, (1, 8, 8))]
    """
    _check(methods)
    target = target or ActionTarget()
    first = StepScene.at(model, episode, 0, instruction=instruction)
    placed = [span for _, span in placed_spans(first.layout)]
    places = [place for span in placed for place in range(span.start, span.stop)]
    allowed, left_out = possible_methods(first, methods)
    run = attend(model, episode, query_groups="readout", instruction=instruction, seed=seed, progress=progress)
    query = find_query(run.layout)
    sinks = find_sinks(run, query)
    statistics = robot_statistics(model, episode.dataset)
    programs = GradientPrograms(model, action_dim=None if statistics is None else len(statistics["mean"]))
    moves = counted_dimensions(model, episode.dataset)
    remarks = [f"Relevance is of {target.label}."] if "relevance" in allowed else []
    if {"rollout", "flow"} & set(allowed):
        remarks.append(f"Share that bypasses attention in rollout and flow: {residual_weight:g}.")
    found = []
    for step in steps:
        run.index_of(step)
        scene, key = first.moved_to(step), noise_key(seed, step)
        watched, row = programs.watch(scene.inputs, key), readout_row(scene)
        gradients = None
        if "relevance" in allowed:
            gradients = programs.at(scene.inputs, key, target.weights(watched.action, moves))
        values = {
            method: key_values(method, watched, row, gradients, keys=places, residual_weight=residual_weight)
            for method in allowed
        }
        found.append(MethodMaps(run, query, step, values, sinks, (*remarks, *left_out)))
    return tuple(found)


def _check(methods: Sequence[str]) -> None:
    for method in methods:
        if method not in KEY_METHODS:
            raise SelectionError(
                f"There is no map '{method}'. There are: {', '.join(KEY_METHODS)}.{nearest(method, KEY_METHODS)}"
            )
    if not methods:
        raise SelectionError(f"Give at least one method of: {', '.join(KEY_METHODS)}.")
