"""What is known of one episode before its curves: every method's maps at each step, and occlusion that they are compared with."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.map_makers import map_maker, spread_steps
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.faithfulness.step_maps import MapMaker, StepMaps
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.runs.findings.kept_steps import Steps


@dataclass(frozen=True, eq=False)
class MeasuredStep:
    """What is known of one step before its curves."""

    made: StepMaps
    reference: Float[np.ndarray, " cell"]
    # Further random maps, beside the one among the step's maps.
    randoms: Float[np.ndarray, "draw cell"]
    # Of the first camera's cells; None without masks, or where the object is out of sight.
    coverage: Float[np.ndarray, " patch"] | None


@dataclass(frozen=True, eq=False)
class EpisodeMaps:
    """One episode's maps."""

    name: str
    dataset: str
    # SHA-256 of where its cells lie, which must be the same for all that are scored together.
    places: str
    cells: int
    # That the policy allows, and sentences on those that it does not.
    methods: tuple[str, ...]
    left_out: tuple[str, ...]
    steps: tuple[int, ...]
    measured: tuple[MeasuredStep, ...]

    def alike(self, other: "EpisodeMaps") -> bool:
        """Returns whether both can be scored together: words change from episode to episode, places do not."""
        return (self.places, self.methods) == (other.places, other.methods)


def measure_episode(
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    place: int,
    settings: FaithfulnessSettings,
    *,
    options: BindOptions,
    kept: Steps,
) -> EpisodeMaps:
    """Returns the maps of an episode, but for those that learn from others.

    Args:
      model: The policy.
      episode: The recording.
      place: Among the episodes that are scored together; random maps differ by it.
      settings: How.
      options: Other words, goal images, observations, history.
      kept: Steps that an earlier call made, and where those of this one are kept.

    Raises:
      EpisodeError: If it lacks what the policy needs.
      SelectionError: If no token has a place in an image, or the policy allows no method.
    """
    maker, scene = open_maker(model, episode, settings, options=options)
    steps = spread_steps(len(episode), settings.steps)
    measured: list[MeasuredStep] = []
    for step in steps:
        measure = functools.partial(_measure, maker, scene, step, place, settings)
        measured.append(kept.get_or_make(f"maps_episode_{place}_step_{step}", MeasuredStep, measure))
    return EpisodeMaps(
        episode.name,
        episode.dataset,
        _digest(maker.cells),
        len(maker.cells),
        tuple(maker.methods),
        tuple(maker.left_out),
        tuple(steps),
        tuple(measured),
    )


def open_maker(
    model: PolicyModel | HoldsPolicy, episode: Episode, settings: FaithfulnessSettings, *, options: BindOptions
) -> tuple[MapMaker, StepScene]:
    """Returns what makes the maps of an episode, and its first step.

    Raises:
      EpisodeError: If it lacks what the policy needs.
      SelectionError: If no token has a place in an image, or the policy allows no method.
    """
    scene = StepScene.at(model, episode, 0, **options.arguments())
    maker = map_maker(scene, settings)
    if not maker.methods:
        raise SelectionError(" ".join(maker.left_out))
    return maker, scene


def _measure(maker: MapMaker, first: StepScene, step: int, place: int, settings: FaithfulnessSettings) -> MeasuredStep:
    scene, noise = first.moved_to(step), Noise(settings.seed, step)
    rng = np.random.default_rng([settings.seed, place, step])
    made = maker.at(scene, noise, rng)
    camera = next(iter(maker.cells.sources))
    coverage = maker.cells.coverage(scene, camera)
    if coverage is not None:
        coverage = coverage[maker.cells.of(camera)]
        coverage = coverage if coverage.any() else None
    more = settings.random_draws - 1 if "random" in maker.methods else 0
    randoms = rng.random((more, len(maker.cells)))
    return MeasuredStep(made, maker.occlusion(scene, noise, settings.reference), randoms, coverage)


def _digest(cells: Cells) -> str:
    told: Sequence[object] = (cells.sources, cells.keys().tolist())
    return hashlib.sha256(repr(told).encode()).hexdigest()
