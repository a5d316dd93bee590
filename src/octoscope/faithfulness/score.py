"""Every method scored on the same steps of the same episodes, under the same noise."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from octoscope.array_typing import Float
from octoscope.correlation import pearson, spearman
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.curves import closeness_curves
from octoscope.faithfulness.map_makers import map_maker, spread_steps
from octoscope.faithfulness.measures import (
    area_under,
    mass_ratio,
    points_at,
    top_overlap,
)
from octoscope.faithfulness.methods import FROM_OTHERS, METHODS, step_cost
from octoscope.faithfulness.score_table import (
    BOUNDS,
    SCORES,
    Band,
    ExampleStep,
    FaithfulnessTable,
    MethodScores,
    PathGap,
    Score,
)
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.faithfulness.step_maps import MapMaker, StepMaps
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.runs.findings.kept_steps import NoSteps, Steps

# Of one step: closeness by "deletion" or "insertion" and by method.
_CURVES = Mapping[str, Mapping[str, Float[np.ndarray, " point"]]]


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
class _Seen:
    """One step, once its maps are made."""

    episode: int
    scene: StepScene
    measured: MeasuredStep

    @property
    def name(self) -> str:
        """What its parts are kept as."""
        return f"episode_{self.episode}_step_{self.scene.step}"


def score_faithfulness(
    model: PolicyModel | HoldsPolicy,
    episodes: Iterable[Episode],
    settings: FaithfulnessSettings | None = None,
    *,
    options: BindOptions | None = None,
    progress: bool = False,
    kept: Steps | None = None,
) -> FaithfulnessTable:
    """Returns how well each method's map tells what the action depends on, and where the named object is.

    Args:
      model: The policy.
      episodes: At least one; two for the methods that learn from the others ("best head", "fixed template"), and many for intervals
        that mean something.
      settings: How.
      options: Other words, goal images, observations, history.
      progress: Show a progress bar.
      kept: Steps that an earlier call made, and where those of this one are kept.

    Raises:
      EpisodeError: If there is no episode, or one lacks what the policy needs.
      SelectionError: If no token has a place in an image, there is no method, or the policy allows none of them.
    """
    settings, options, kept = settings or FaithfulnessSettings(), options or BindOptions(), kept or NoSteps()
    settings.require_methods()
    maker, card, dataset, seen = None, None, "", []
    for index, episode in enumerate(tqdm(episodes, desc="maps", unit="episode", disable=not progress)):
        scene = StepScene.at(model, episode, 0, **options.arguments())
        if maker is None:
            maker, card = map_maker(scene, settings), scene.policy.card
            if not maker.methods:
                raise SelectionError(" ".join(maker.left_out))
            dataset = episode.dataset
        # Words change from episode to episode, places do not.
        if not maker.cells.fit(scene.layout):
            raise EpisodeError(
                f"{episode.name} gives another token layout than the first episode: score it on its own."
            )
        seen += [
            _see(maker, scene.moved_to(step), index, settings, kept)
            for step in spread_steps(len(episode), settings.steps)
        ]
    if maker is None or card is None:
        raise EpisodeError("There must be at least one episode to score, got none.")
    maps = [_complete(settings, seen, place) for place in range(len(seen))]
    # Under names of their own, so that they go through the same batches as the methods.
    drawn = [
        {**one, **{_random_name(draw): values for draw, values in enumerate(step.measured.randoms, start=1)}}
        for one, step in zip(maps, seen, strict=True)
    ]
    fractions = np.linspace(0.0, 1.0, settings.points + 2)
    curves = [
        kept.get_or_make(
            f"curves_{step.name}", _CURVES, functools.partial(_curves, maker, step, found, fractions, settings)
        )
        for step, found in tqdm(
            list(zip(seen, drawn, strict=True)), desc="deletion and insertion", unit="step", disable=not progress
        )
    ]
    lines = [
        _line(method, maker, seen, drawn, curves, fractions, settings)
        for method in settings.methods
        if method in maps[0]
    ]
    return FaithfulnessTable(
        card.name,
        card.note,
        dataset,
        [*settings.sentences(), *maker.left_out, *_needing_others(settings, maps[0])],
        episodes=len({step.episode for step in seen}),
        steps=len(seen),
        fractions=fractions,
        methods=lines,
        example=_example(maker.cells, seen, maps),
    )


def _see(maker: MapMaker, scene: StepScene, episode: int, settings: FaithfulnessSettings, kept: Steps) -> _Seen:
    measure = functools.partial(_measure, maker, scene, episode, settings)
    name = f"maps_episode_{episode}_step_{scene.step}"
    return _Seen(episode, scene, kept.get_or_make(name, MeasuredStep, measure))


def _measure(maker: MapMaker, scene: StepScene, episode: int, settings: FaithfulnessSettings) -> MeasuredStep:
    noise = Noise(settings.seed, scene.step)
    rng = np.random.default_rng([settings.seed, episode, scene.step])
    made = maker.at(scene, noise, rng)
    camera = next(iter(maker.cells.sources))
    coverage = maker.cells.coverage(scene, camera)
    if coverage is not None:
        coverage = coverage[maker.cells.of(camera)]
        coverage = coverage if coverage.any() else None
    more = settings.random_draws - 1 if "random" in maker.methods else 0
    randoms = rng.random((more, len(maker.cells)))
    return MeasuredStep(made, maker.occlusion(scene, noise, settings.reference), randoms, coverage)


def _complete(settings: FaithfulnessSettings, seen: Sequence[_Seen], place: int) -> dict[str, np.ndarray]:
    """Returns a step's maps, with those that learn from other episodes; in the order of METHODS."""
    here = seen[place]
    others = [step for step in seen if step.episode != here.episode]
    maps = dict(here.measured.made.maps)
    heads = [step.measured.made.heads for step in others if step.measured.made.heads is not None]
    if heads and here.measured.made.heads is not None and "best head" in settings.methods:
        layer, head = best_head(heads, [step.measured.reference for step in others])
        maps["best head"] = here.measured.made.heads[layer, head]
    if heads and "fixed template" in settings.methods:
        maps["fixed template"] = np.mean([weights.mean(axis=(0, 1)) for weights in heads], axis=0)
    return {method: maps[method] for method in METHODS if method in maps}


def _needing_others(settings: FaithfulnessSettings, maps: Mapping[str, np.ndarray]) -> list[str]:
    missing = [method for method in FROM_OTHERS if method in settings.methods and method not in maps]
    return (
        [f"Left out: {', '.join(missing)}. They learn from other episodes, and there is one only."] if missing else []
    )


def best_head(
    heads: Sequence[Float[np.ndarray, "layer head cell"]], references: Sequence[Float[np.ndarray, " cell"]]
) -> tuple[int, int]:
    """Returns the layer and head whose map goes best with occlusion: the largest mean Pearson's r over these steps."""
    layers, count = heads[0].shape[:2]
    scores = np.full((layers, count), -np.inf)
    for layer in range(layers):
        for head in range(count):
            found = [pearson(step[layer, head], reference) for step, reference in zip(heads, references, strict=True)]
            known = [value for value in found if not np.isnan(value)]
            scores[layer, head] = np.mean(known) if known else -np.inf
    layer, head = np.unravel_index(int(scores.argmax()), scores.shape)
    return int(layer), int(head)


def _curves(
    maker: MapMaker,
    step: _Seen,
    maps: Mapping[str, np.ndarray],
    fractions: Float[np.ndarray, " point"],
    settings: FaithfulnessSettings,
) -> dict[str, dict[str, Float[np.ndarray, " point"]]]:
    noise = Noise(settings.seed, step.scene.step)
    return {
        name: closeness_curves(
            maker.cells,
            step.scene,
            noise,
            maps,
            fractions,
            how=how,
            insertion=name == "insertion",
            batch=settings.batch,
        )
        for name, how in (("deletion", settings.deletion), ("insertion", settings.insertion))
    }


def _line(
    method: str,
    maker: MapMaker,
    seen: Sequence[_Seen],
    maps: Sequence[Mapping[str, np.ndarray]],
    curves: Sequence[Mapping[str, Mapping[str, np.ndarray]]],
    fractions: Float[np.ndarray, " point"],
    settings: FaithfulnessSettings,
) -> MethodScores:
    camera = maker.cells.of(next(iter(maker.cells.sources)))
    rows: dict[str, list[float]] = {name: [] for name in SCORES}
    names = [method, *(_random_name(draw) for draw in range(1, settings.random_draws) if method == "random")]
    for step, found, curve in zip(seen, maps, curves, strict=True):
        each = [_step_scores(name, found[name], step, curve, fractions, camera) for name in names]
        for name in SCORES:
            rows[name].append(_known_mean([one[name] for one in each]))
    owners = [step.episode for step in seen]
    scores = {name: Score.over(owners, values, bounds=BOUNDS[name]) for name, values in rows.items()}
    gap = _gap(seen) if method == "integrated gradients" else None
    cost = step_cost(method, cells=len(maker.cells), points=round(gap.mean_points) if gap else settings.path_points)
    deletion, insertion = (
        Band.over(owners, np.stack([np.mean([curve[name][drawn] for drawn in names], axis=0) for curve in curves]))
        for name in ("deletion", "insertion")
    )
    return MethodScores(method, scores, cost, deletion, insertion, gap)


def _gap(seen: Sequence[_Seen]) -> PathGap | None:
    gaps = [step.measured.made.gap for step in seen if not np.isnan(step.measured.made.gap)]
    if not gaps:
        return None
    return PathGap(float(np.mean(gaps)), max(gaps), float(np.mean([step.measured.made.points for step in seen])))


def _random_name(draw: int) -> str:
    return f"random, draw {draw}"


def _step_scores(
    name: str,
    values: Float[np.ndarray, " cell"],
    step: _Seen,
    curve: Mapping[str, Mapping[str, np.ndarray]],
    fractions: Float[np.ndarray, " point"],
    camera: slice,
) -> dict[str, float]:
    """Returns the scores of one map; NaN for those that need a mask where there is none."""
    found = {
        "deletion AUC": area_under(fractions, curve["deletion"][name]),
        "insertion AUC": area_under(fractions, curve["insertion"][name]),
        "Pearson": pearson(values, step.measured.reference),
        "Spearman": spearman(values, step.measured.reference),
    }
    for score, measure in (("mass ratio", mass_ratio), ("top-10 % IoU", top_overlap), ("pointing game", points_at)):
        found[score] = (
            float("nan") if step.measured.coverage is None else measure(values[camera], step.measured.coverage)
        )
    return found


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _example(cells: Cells, seen: Sequence[_Seen], maps: Sequence[Mapping[str, np.ndarray]]) -> ExampleStep:
    place = len(seen) // 2
    scene = seen[place].scene
    shown = {
        method: {camera: cells.picture(values, camera) for camera in cells.sources}
        for method, values in {**maps[place], "occlusion, other fill": seen[place].measured.reference}.items()
    }
    pictures = {camera: scene.padded_picture(camera) for camera in cells.sources}
    return ExampleStep(scene.episode.name, scene.step, scene.instruction, pictures, shown)
