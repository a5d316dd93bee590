"""Sanity: do maps change when the weights they are made from are drawn anew, from the action head down to the tokenizers?

Reference: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.1 (cascading randomisation).
https://arxiv.org/abs/1810.03292. They draw from the initialiser; we draw from a normal distribution with the mean and deviation of the
learnt array, so that no initialiser has to be known. A map that stays the same does not depend on what the policy learnt.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from octoscope.array_typing import Float
from octoscope.attention.map_measures import known_mean
from octoscope.correlation import spearman
from octoscope.errors import SelectionError
from octoscope.escaping.markdown import markdown_table
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.methods import METHODS, method_label
from octoscope.faithfulness.step_maps import MapMaker
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import Redrawable
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, as_policy
from octoscope.runs.findings.kept_steps import NoSteps, Steps

_STEP_MAPS = Mapping[str, Float[np.ndarray, " cell"]]
# Do not depend on weights, or not on those of this step.
_NOT_ASKED = ("random", "best head", "fixed template")


@dataclass(frozen=True, eq=False)
class RandomizationTable:
    """How alike maps are to the trained policy's, while ever more of it is drawn anew."""

    # "head", "layer 3", ..., "tokenizers": each with all before it.
    stages: tuple[str, ...]
    methods: tuple[str, ...]
    # Spearman's rank correlation over cells, mean over steps; NaN where a map does not vary.
    by_draw: Float[np.ndarray, "method stage draw"]

    @property
    def similarity(self) -> Float[np.ndarray, "method stage"]:
        """The mean over draws of weights; NaN where no map varies."""
        return known_mean(self.by_draw)

    def to_markdown(self) -> str:
        """Returns the table; of several draws the mean, and the lowest and highest."""
        draws = self.by_draw.shape[2]
        spread = f" Means over {draws} draws of weights, with the lowest and the highest." if draws > 1 else ""
        lines = [
            "Rank correlation of each map with the trained policy's, while the weights are drawn anew from the head down. Near 0 at the "
            f"end: the map depends on what was learnt. Near 1: it does not.{spread}",
            "",
        ]
        rows = [
            [method_label(method), *(_cell(values) for values in row)]
            for method, row in zip(self.methods, self.by_draw, strict=True)
        ]
        return "\n".join([*lines, *markdown_table(["method", *self.stages], rows)])


def randomize_cascading(
    maker: MapMaker,
    scenes: Sequence[StepScene],
    *,
    seed: int = 0,
    draws: int = 1,
    progress: bool = False,
    kept: Steps | None = None,
) -> RandomizationTable:
    """Returns how alike each method's maps stay on the same steps, at the cost of all maps once more for each stage and draw.

    Args:
      maker: The trained policy's.
      scenes: Steps.
      seed: Of the noise and the draws.
      draws: Of weights.
      progress: Show a progress bar.
      kept: Steps that an earlier call made, and where those of this one are kept.

    Raises:
      SelectionError: If there is no policy like it with other weights.
    """
    kept, policy = kept or NoSteps(), redrawable(maker.policy or scenes[0].policy)
    stages = policy.stages
    methods = tuple(name for name in METHODS if name in maker.methods and name not in _NOT_ASKED)
    maker = dataclasses.replace(maker, methods=methods)
    trained = [
        kept.get_or_make(f"trained_step_{scene.step}", _STEP_MAPS, functools.partial(_maps, maker, scene, seed))
        for scene in scenes
    ]
    likeness = np.full((len(methods), len(stages), draws, len(scenes)), np.nan)
    todo = [(draw, stage) for draw in range(draws) for stage in range(len(stages))]
    for draw, stage in tqdm(todo, desc="weights drawn anew", unit="stage", disable=not progress):
        # Drawn only where a step is not kept; once for all steps.
        other = functools.cache(functools.partial(_with_drawn_weights, maker, policy, stages[: stage + 1], seed, draw))
        for place, scene in enumerate(scenes):
            compare = functools.partial(_likeness, other, scene, seed, trained[place])
            name = f"draw_{draw}_stage_{stage}_step_{scene.step}"
            likeness[:, stage, draw, place] = kept.get_or_make(name, Float[np.ndarray, " method"], compare)
    return RandomizationTable(stages, methods, known_mean(likeness))


def redrawable(model: PolicyModel | HoldsPolicy) -> Redrawable:
    """Returns a policy that is there with other weights too.

    Raises:
      SelectionError: If it is not.
    """
    policy = as_policy(model)
    if not isinstance(policy, Redrawable):
        raise SelectionError(f"{policy.card.name} is not there with weights drawn anew, so the check cannot be made.")
    return policy


def _with_drawn_weights(maker: MapMaker, policy: Redrawable, stages: Sequence[str], seed: int, draw: int) -> MapMaker:
    return dataclasses.replace(maker, policy=policy.redrawn(stages, seed=seed, draw=draw))


def _likeness(
    other: Callable[[], MapMaker], scene: StepScene, seed: int, trained: Mapping[str, Float[np.ndarray, " cell"]]
) -> Float[np.ndarray, " method"]:
    maker = other()
    maps = _maps(maker, scene, seed)
    return np.array([spearman(trained[method], maps[method]) for method in maker.methods], np.float64)


def _cell(values: Float[np.ndarray, " draw"]) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "-"
    return f"{known.mean():.2f}" + (f" ({known.min():.2f}..{known.max():.2f})" if len(known) > 1 else "")


def _maps(maker: MapMaker, scene: StepScene, seed: int) -> Mapping[str, Float[np.ndarray, " cell"]]:
    assert Cells(scene.layout).sources == maker.cells.sources, "scenes are of one layout"
    return maker.at(scene, Noise(seed, scene.step), np.random.default_rng(seed)).maps
