"""Something is taken away from a step, and the policy acts again under the same noise: what changes in the action?"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.capture.provenance import acting_head
from octoscope.capture.robot_statistics import robot_statistics
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, check_at_least
from octoscope.interventions.action_units import action_units
from octoscope.interventions.apply import apply_intervention, changed_words
from octoscope.interventions.batched_policy import batched_policy
from octoscope.interventions.descriptions import Intervention, Nothing, Together
from octoscope.interventions.direct_effects import direct_effects
from octoscope.interventions.effects import Effect, StepEffects, action_change
from octoscope.interventions.random_controls import random_controls
from octoscope.interventions.step_scene import PolicyInputs, SceneOptions, StepScene
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.checkpoint.normalization_type import NormalizationType, normalization_type
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.model import OctoModel
from octoscope.tokens.blanked_words import blanked_words_remark
from octoscope.tokens.layout import instruction_remarks

# Folded into the key of a step, it leads to the keys of its other draws of noise ("draw" as a number).
_DRAWS = 0x64726177


def intervene(
    model: OctoModel,
    episode: Episode,
    step: int,
    interventions: Sequence[Intervention],
    *,
    seed: int = 0,
    noises: int = 8,
    controls: int = 8,
    instruction: str | None = None,
    goal_images: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] | None = None,
    observation_keys: Mapping[str, str] | None = None,
    window: int | None = None,
    units: Sequence[str] | None = None,
    batch: int = 16,
) -> StepEffects:
    """Returns what each intervention does to the action chunk of one step, by full reruns of the policy under the same noise.

    Where nothing but keys is masked, the fast knock-out from the readout's own attention stands beside the rerun, as `Effect.direct`.

    The seed means what it means in `attend`: the undisturbed action is the one that a run holds, up to the last digits that another
    batch size costs. All interventions, their controls and the undisturbed step go through one compiled program, `batch` at a time.

    Args:
      model: The policy.
      episode: The recording.
      step: Step of the episode.
      interventions: What is done, each for itself; `Together` for several at once.
      seed: Of the noise, and of the random regions.
      noises: Draws of other noise, for the noise floor.
      controls: Random regions for each intervention that has a place, clear of it; fewer where the picture has fewer.
      instruction: Words to use instead of the episode's.
      goal_images: As for `attend`.
      observation_keys: As for `attend`.
      window: As for `attend`.
      units: Of the action's dimensions, where the dataset's are not known here.
      batch: Inputs run at once.

    Raises:
      SelectionError: If something that is to be changed does not exist, a number is out of range, or the units are of another
        number of dimensions.
      EpisodeError: If the episode lacks what the policy needs, or a mask has the wrong size.
      ObservationError: If words are to change and the policy takes none.

    Example:
      >>> import octoscope as osc
      >>> from octoscope.interventions.descriptions import BlankCamera, Nothing
      >>> model, episode = osc.OctoModel.load_pretrained("demo"), osc.open_episodes("demo")[0]
      >>> found = intervene(model, episode, 4, [Nothing(), BlankCamera("primary")], noises=2)
      >>> found.effects[0].size, found.effects[1].size > 0
      (0.0, True)
    """
    check_at_least(0, noises=noises, controls=controls)
    check_at_least(1, batch=batch)
    scene = SceneOptions(instruction, goal_images, observation_keys, window).scene(model, episode, step)
    statistics = robot_statistics(model, episode.dataset)
    dimensions = (
        model.module.heads[acting_head(model)].action_dim if statistics is None else action_dimensions(statistics)
    )
    if units is not None and len(units) != dimensions:
        raise SelectionError(f"Give one unit for each of the {dimensions} dimensions of the action, got {len(units)}.")
    policy = batched_policy(
        model, action_dim=None if statistics is None else action_dimensions(statistics), batch=batch
    )
    rng = np.random.default_rng([seed, step])
    drawn = [random_controls(scene, each, rng, count=controls) for each in interventions]
    regions = [each.interventions for each in drawn]
    inputs = [scene.inputs, *(apply_intervention(scene, each) for each in interventions)]
    inputs += [apply_intervention(scene, each) for row in regions for each in row]
    actions = policy.act(inputs, noise_key(seed, step))
    keys = [noise_key(seed, step, draw=draw) for draw in range(noises)]
    others = policy.act_under(scene.inputs, keys) if noises else actions[:0]
    ends = np.cumsum([1 + len(interventions), *(len(row) for row in regions)])
    notes = [each.note(controls) for each in drawn]
    return _effects(scene, interventions, actions, ends, others, statistics, notes=notes, seed=seed, units=units)


def noise_key(seed: int, step: int, *, draw: int | None = None) -> jax.Array:
    """Returns the key of a step's noise, the same as in `attend`, or that of another draw of noise for the same step.

    No draw of any seed is what another seed acts under: draws branch off behind the step, far from the numbers that a head folds in.

    >>> bool((noise_key(0, 3, draw=0) == noise_key(1, 3)).all())
    False
    """
    key = jax.random.fold_in(jax.random.PRNGKey(seed), step)
    return key if draw is None else jax.random.fold_in(jax.random.fold_in(key, _DRAWS), draw)


def moving_dimensions(
    statistics: Mapping | None, dimensions: int, *, kind: NormalizationType = NormalizationType.NORMAL
) -> Bool[np.ndarray, " dim"]:
    """Returns False for the dimensions that a dataset never moves: what a policy says about them is never carried out.

    >>> moving_dimensions({"mean": [0.0, 0.0], "std": [1.0, 0.0]}, 2)
    array([ True, False])
    """
    if statistics is None:
        return np.ones(dimensions, bool)
    bounds = kind == NormalizationType.BOUNDS
    spread = np.subtract(statistics["p99"], statistics["p01"]) if bounds else np.asarray(statistics["std"])
    moves = spread > 0
    return moves if moves.any() else np.ones(dimensions, bool)


def _effects(
    scene: StepScene,
    interventions: Sequence[Intervention],
    actions: Float[np.ndarray, "input horizon dim"],
    ends: np.ndarray,
    others: Float[np.ndarray, "draw horizon dim"],
    statistics: Mapping | None,
    *,
    notes: Sequence[str],
    seed: int,
    units: Sequence[str] | None,
) -> StepEffects:
    model = scene.model
    dimensions = actions.shape[-1] if statistics is None else action_dimensions(statistics)
    known = action_units(scene.episode.dataset, dimensions, units=units)

    def in_units(found: np.ndarray) -> np.ndarray | None:
        if statistics is None:
            return None
        recorded = unnormalize_actions(found, statistics, normalization_type(model.config))
        return np.asarray(recorded * np.array(known.scale), np.float32)

    robot = in_units(actions)
    # Entries of dimensions that the robot does not have are noise.
    used = actions.shape[-1] if robot is None else robot.shape[-1]
    actions, others = actions[..., :used], others[..., :used]
    moves = moving_dimensions(statistics, used, kind=normalization_type(model.config))
    counted = actions[..., moves]
    given = [apply_intervention(scene, intervention) for intervention in interventions]
    direct, direct_note = direct_effects(
        scene,
        given,
        noise_key(seed, scene.step),
        moves=moves,
        action_dim=None if statistics is None else dimensions,
    )
    effects = []
    for place, (intervention, changed, note) in enumerate(zip(interventions, given, notes, strict=True), start=1):
        effects.append(
            Effect(
                intervention,
                change=actions[place] - actions[0],
                robot_change=None if robot is None else robot[place] - robot[0],
                size=float(action_change(counted[0], counted[place])),
                controls=action_change(counted[0], counted[ends[place - 1] : ends[place]]),
                pictures=_changed_pictures(scene, changed),
                masked=_masked_patches(scene, changed),
                words=_words(scene, intervention),
                direct=float(direct[place - 1]),
                controls_note=note,
            )
        )
    noisy = others if robot is None else in_units(others)
    still = actions[0] if robot is None else robot[0]
    assert noisy is not None, "actions have units or not, whatever the noise"
    spread = np.sqrt(((noisy - still).astype(np.float64) ** 2).mean(axis=1))
    return StepEffects(
        policy=model.name,
        note=model.note,
        episode=scene.episode.name,
        step=scene.step,
        instruction=scene.instruction,
        seed=seed,
        action=actions[0],
        robot_action=None if robot is None else robot[0],
        units=known,
        moves=moves,
        effects=tuple(effects),
        noise=action_change(counted[0], others[..., moves]),
        noise_per_dimension=spread.mean(axis=0) if len(spread) else np.full(used, np.nan),
        pictures=_current_pictures(scene, scene.inputs),
        direct_note=direct_note,
        remarks=tuple(_word_remarks(scene)),
    )


def _word_remarks(scene: StepScene) -> list[str]:
    words = scene.layout.instruction_pieces
    blanked = blanked_words_remark(scene.episode.dataset, scene.model.dataset_statistics) if words else ""
    return [*instruction_remarks(scene.layout), *([blanked] if blanked else [])]


def _words(scene: StepScene, intervention: Intervention) -> str | None:
    parts = intervention.parts if isinstance(intervention, Together) else [intervention]
    for part in parts:
        words = None if isinstance(part, Nothing) else (changed_words(scene, part) or "")
        if words is not None and words != scene.instruction:
            return words
    return None


def _current_pictures(scene: StepScene, inputs: PolicyInputs) -> dict[str, UInt8[np.ndarray, "_ _ channel"]]:
    return {camera: inputs.observation[scene.image_key(camera)][0, -1] for camera in scene.layout.cameras}


def _changed_pictures(scene: StepScene, changed: PolicyInputs) -> dict[str, UInt8[np.ndarray, "_ _ channel"]]:
    before, after = _current_pictures(scene, scene.inputs), _current_pictures(scene, changed)
    return {camera: after[camera] for camera in before if not np.array_equal(before[camera], after[camera])}


def _masked_patches(scene: StepScene, changed: PolicyInputs) -> dict[str, Bool[np.ndarray, "_ _"]]:
    if changed.hidden is None:
        return {}
    keys, masked = np.asarray(changed.hidden.any(axis=0)), {}
    for camera in scene.layout.cameras:
        span = scene.layout.image_spans(camera)[-1]
        if span.source.grid is not None and keys[span.start : span.stop].any():
            masked[camera] = keys[span.start : span.stop].reshape(span.source.grid)
    return masked
