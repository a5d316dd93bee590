"""Could we simply not embed the background? Image tokens dropped in the order of a score, and what that does to action and time.

Dropped tokens leave the sequence before the first block. That gives the action of masking their keys, up to rounding (see the tests), and
costs less. The image encoder still sees the whole picture: tokens are dropped, not pixels.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from octoscope.array_typing import Bool, Float
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError, nearest
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.drop_table import DropExample, DropTable
from octoscope.faithfulness.map_makers import map_maker, spread_steps
from octoscope.faithfulness.measures import bootstrap_interval, ranking
from octoscope.faithfulness.methods import FROM_OTHERS, METHODS
from octoscope.faithfulness.picture_scores import PICTURE_SCORES, picture_maps
from octoscope.faithfulness.score_table import Score
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.faithfulness.step_maps import MapMaker
from octoscope.faithfulness.token_dropper import TokenDropper, kept_places
from octoscope.interventions.effects import action_change
from octoscope.interventions.intervene import noise_key
from octoscope.interventions.step_scene import StepScene
from octoscope.octo.model import OctoModel

DEFAULT_SCORES = ("mean of heads", "rollout", "relevance", "occlusion", "detail", "random")


def drop_tokens(
    model: OctoModel,
    episodes: Iterable[Episode],
    *,
    scores: Sequence[str] = DEFAULT_SCORES,
    fractions: Sequence[float] = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.0),
    steps: int = 3,
    seed: int = 0,
    noises: int = 8,
    timings: int = 10,
    batch: int = 16,
    progress: bool = False,
) -> DropTable:
    """Returns how far the action moves, and how long a step takes, when only the best image tokens are kept.

    Args:
      model: The policy.
      episodes: At least one.
      scores: Methods ("rollout"), or "detail" or "named object"; the largest are kept.
      fractions: Of all image tokens that are kept, in any order.
      steps: Of each episode, spread evenly.
      seed: Of the noise.
      noises: Draws of other noise, for the noise floor.
      timings: Runs of which the fastest is reported; 0 for none.
      batch: Inputs run at once, for occlusion.
      progress: Show a progress bar.

    Raises:
      SelectionError: If a score does not exist, the policy allows none of them, a fraction lies outside 0..1, or no token has a place in
        an image.
      EpisodeError: If there is no episode, or a mask is asked for that is not there.
    """
    _check(scores, fractions)
    falling = sorted({float(part) for part in fractions} | {1.0}, reverse=True)
    methods = [name for name in scores if name in METHODS]
    settings = FaithfulnessSettings(methods=methods, steps=steps, seed=seed, batch=batch)
    bench: _Bench | None = None
    dataset, found = "", []
    for index, episode in enumerate(tqdm(episodes, desc="drop tokens", unit="episode", disable=not progress)):
        first = StepScene.at(model, episode, 0)
        if bench is None:
            maker = map_maker(model, first, settings)
            scores = tuple(name for name in scores if name in (*maker.methods, *PICTURE_SCORES))
            if not scores:
                raise SelectionError(" ".join(maker.left_out))
            bench = _Bench(TokenDropper(model, first), maker, scores, tuple(falling))
            dataset = episode.dataset
        found += [
            bench.at(first.moved_to(step), index, seed=seed, noises=noises)
            for step in spread_steps(len(episode), steps)
        ]
    if bench is None or not found:
        raise EpisodeError("There must be at least one episode, got none.")
    cells = bench.maker.cells
    counts = [round(part * len(cells)) for part in falling]
    scene, owners = found[len(found) // 2].scene, [step.episode for step in found]
    errors = np.stack([step.errors for step in found])
    return DropTable(
        policy=model.name,
        note=" ".join(part for part in (model.note, *bench.maker.left_out) if part),
        dataset=dataset,
        episodes=len(set(owners)),
        steps=len(found),
        scores=tuple(scores),
        fractions=tuple(falling),
        errors=[[_score(owners, errors[:, i, j]) for j in range(len(falling))] for i in range(len(scores))],
        noise_floor=_score(owners, np.array([step.noise for step in found])),
        seconds=tuple(bench.dropper.seconds(scene, noise_key(seed, 0), cells, count, timings) for count in counts),
        tokens=tuple(len(kept_places(cells, np.arange(len(cells)) < count)) for count in counts),
        example=_example(cells, scene, found[len(found) // 2].kept, falling),
    )


@dataclass(frozen=True, eq=False)
class _StepDrops:
    """What dropping did to one step."""

    episode: int
    scene: StepScene
    # For each score, the cells that are kept at each fraction.
    kept: Mapping[str, Sequence[Bool[np.ndarray, " cell"]]]
    errors: Float[np.ndarray, "score point"]
    noise: float


@dataclass(frozen=True, eq=False)
class _Bench:
    """Drops tokens of one step after another."""

    dropper: TokenDropper
    maker: MapMaker
    scores: tuple[str, ...]
    # Falling from 1.
    fractions: tuple[float, ...]

    def at(self, scene: StepScene, episode: int, *, seed: int, noises: int) -> _StepDrops:
        """Returns the errors of one step, all under the same noise."""
        cells, moves, key = self.maker.cells, self.maker.moves, noise_key(seed, scene.step)
        maps = dict(picture_maps(cells, scene, self.scores))
        if self.maker.methods:
            maps |= self.maker.at(scene, key, np.random.default_rng([seed, episode, scene.step])).maps
        kept = {name: [_kept(maps[name], part) for part in self.fractions] for name in self.scores}
        actions = np.stack([[self.dropper.act(scene, key, cells, one) for one in kept[name]] for name in self.scores])
        still = actions[0, 0][..., moves]
        noise = float("nan")
        if noises:
            keys = [noise_key(seed + 1 + draw, scene.step) for draw in range(noises)]
            noise = float(action_change(still, self.maker.policy.act_under(scene.inputs, keys)[..., moves]).mean())
        return _StepDrops(episode, scene, kept, action_change(still, actions[..., moves]), noise)


def _check(scores: Sequence[str], fractions: Sequence[float]) -> None:
    known = [*(name for name in METHODS if name not in FROM_OTHERS), *PICTURE_SCORES]
    for name in scores:
        if name not in known:
            raise SelectionError(f"There is no score '{name}'. There are: {', '.join(known)}.{nearest(name, known)}")
    if not scores or not all(0.0 <= part <= 1.0 for part in fractions):
        raise SelectionError(f"Give at least one score, and fractions in 0..1; got {scores} and {list(fractions)}.")


def _kept(values: Float[np.ndarray, " cell"], part: float) -> Bool[np.ndarray, " cell"]:
    kept = np.zeros(len(values), bool)
    kept[ranking(values)[: round(part * len(values))]] = True
    return kept


def _score(owners: Sequence[int], values: Float[np.ndarray, " step"]) -> Score:
    by_episode = [values[np.array(owners) == owner].mean() for owner in sorted(set(owners))]
    return Score(*bootstrap_interval([float(value) for value in by_episode]))


def _example(
    cells: Cells, scene: StepScene, kept: Mapping[str, Sequence[np.ndarray]], fractions: Sequence[float]
) -> DropExample:
    place = int(np.argmin(np.abs(np.array(fractions) - 0.25)))
    pictures = {camera: scene.inputs.observation[scene.image_key(camera)][0, -1] for camera in cells.sources}
    shown = {
        name: {camera: masks[place][cells.of(camera)].reshape(cells.grid(camera)) for camera in cells.sources}
        for name, masks in kept.items()
    }
    return DropExample(scene.episode.name, scene.step, scene.instruction, fractions[place], pictures, shown)
