"""Something is taken away from a step, and the policy acts again under the same noise: what changes in the action?"""

from collections.abc import Mapping, Sequence

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, check_at_least
from octoscope.interventions.apply import apply_intervention, cell_pixels, changed_words
from octoscope.interventions.descriptions import Intervention, Nothing, Together
from octoscope.interventions.direct_effects import direct_effects
from octoscope.interventions.effects import Effect, StepEffects, action_change
from octoscope.interventions.random_controls import random_controls
from octoscope.interventions.step_scene import StepScene, current_pictures
from octoscope.policies.action_units import ActionUnits, action_units
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel


def intervene(
    model: PolicyModel | HoldsPolicy,
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
      model: Any policy.
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
    options = {"instruction": instruction, "goal_images": goal_images, "observation_keys": observation_keys}
    scene = StepScene.at(model, episode, step, **options, window=window)
    dimensions = scene.space.dim
    if units is not None and len(units) != dimensions:
        raise SelectionError(f"Give one unit for each of the {dimensions} dimensions of the action, got {len(units)}.")
    rng = np.random.default_rng([seed, step])
    drawn = [random_controls(scene, each, rng, count=controls) for each in interventions]
    given = [apply_intervention(scene, each) for each in interventions]
    moved = [apply_intervention(scene, each) for row in drawn for each in row.interventions]
    noise = Noise(seed, step)
    actions = scene.policy.act([scene.inputs, *given, *moved], noise, batch=batch)
    others = actions[:0]
    if noises:
        draws = [noise.other(draw) for draw in range(1, noises + 1)]
        others = scene.policy.act([scene.inputs] * noises, draws, batch=batch)
    ends = np.cumsum([1 + len(interventions), *(len(row.interventions) for row in drawn)])
    notes = [each.note(controls) for each in drawn]
    known = action_units(episode.dataset, dimensions, units=units)
    return _effects(scene, interventions, given, actions, ends, others, notes=notes, noise=noise, units=known)


def _effects(
    scene: StepScene,
    interventions: Sequence[Intervention],
    given: Sequence[PolicyInputs],
    actions: Float[np.ndarray, "input horizon dim"],
    ends: np.ndarray,
    others: Float[np.ndarray, "draw horizon dim"],
    *,
    notes: Sequence[str],
    noise: Noise,
    units: ActionUnits,
) -> StepEffects:
    space, card = scene.space, scene.policy.card
    robot, noisy_robot = (space.in_units(each, scene.inputs, units) for each in (actions, others))
    # Entries of dimensions that the robot does not have are noise.
    actions, others = actions[..., : space.dim], others[..., : space.dim]
    counted = actions[..., space.moves]
    direct, direct_note = direct_effects(scene, given, noise)
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
    noisy, still = (others, actions[0]) if robot is None or noisy_robot is None else (noisy_robot, robot[0])
    spread = np.sqrt(((noisy - still).astype(np.float64) ** 2).mean(axis=1))
    return StepEffects(
        policy=card.name,
        note=card.note,
        episode=scene.episode.name,
        step=scene.step,
        instruction=scene.instruction,
        seed=noise.seed,
        action=actions[0],
        robot_action=None if robot is None else robot[0],
        units=units,
        moves=space.moves,
        effects=tuple(effects),
        noise=action_change(counted[0], others[..., space.moves]),
        noise_per_dimension=spread.mean(axis=0) if len(spread) else np.full(space.dim, np.nan),
        pictures=scene.pictures,
        direct_note=direct_note,
        remarks=scene.bound.remarks,
    )


def _words(scene: StepScene, intervention: Intervention) -> str | None:
    parts = intervention.parts if isinstance(intervention, Together) else [intervention]
    for part in parts:
        words = None if isinstance(part, Nothing) else (changed_words(scene, part) or "")
        if words is not None and words != scene.instruction:
            return words
    return None


def _changed_pictures(scene: StepScene, changed: PolicyInputs) -> dict[str, UInt8[np.ndarray, "_ _ channel"]]:
    before, after = scene.pictures, current_pictures(changed)
    return {camera: after[camera] for camera in before if not np.array_equal(before[camera], after[camera])}


def _masked_patches(scene: StepScene, changed: PolicyInputs) -> dict[str, Bool[np.ndarray, "_ _"]]:
    if changed.hidden is None:
        return {}
    keys, masked = np.asarray(changed.hidden.any(axis=0)), {}
    for camera in scene.layout.cameras:
        span = scene.layout.image_spans(camera)[-1]
        if span.source.grid is not None and keys[span.start : span.stop].any():
            cells = keys[span.start : span.stop].reshape(span.source.grid)
            transform = scene.padding_transform(camera)
            # A frame as recorded covers but a part of the padded grid: hatched are its pixels.
            size = scene.images(camera).shape[1:3]
            masked[camera] = cells if transform is None else cell_pixels(span.source, size, cells, transform=transform)
    return masked
