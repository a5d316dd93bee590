"""Deletion and insertion: cells taken away, or given back, in the order of a map, and how close the action stays.

Reference: Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
https://arxiv.org/abs/1806.07421. There the curve is a class's probability; here it is how close the action is to the undisturbed one:
1 - change / change with every cell taken away. So a deletion curve begins at 1 and ends at 0, an insertion curve the other way
round. Nothing is clipped: a policy may be further off with half of the picture than with none.
"""

from collections.abc import Mapping

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.measures import ranking
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.noise import Noise


def removal_sets(
    values: Float[np.ndarray, " cell"], fractions: Float[np.ndarray, " point"], *, insertion: bool
) -> Bool[np.ndarray, "point cell"]:
    """Returns, for each point of a curve, which cells are taken away.

    Args:
      values: A map; the largest cells go, or come back, first.
      fractions: Parts of all cells that have gone, or come back.
      insertion: Begin with every cell gone, and give back.

    >>> removal_sets(np.array([1.0, 2.0]), np.array([0.0, 0.5, 1.0]), insertion=False).astype(int).tolist()
    [[0, 0], [0, 1], [1, 1]]
    """
    places = np.empty(len(values), int)
    places[ranking(values)] = np.arange(len(values))
    reached = places[None] < np.round(fractions * len(values))[:, None]
    return ~reached if insertion else reached


def closeness_curves(
    cells: Cells,
    scene: StepScene,
    noise: Noise,
    maps: Mapping[str, Float[np.ndarray, " cell"]],
    fractions: Float[np.ndarray, " point"],
    *,
    how: str,
    insertion: bool,
    batch: int,
) -> dict[str, Float[np.ndarray, " point"]]:
    """Returns the curve of each map, all under the same noise in one batch; NaN where taking everything away changes nothing.

    Args:
      cells: What is taken away.
      scene: The step.
      noise: That is acted under.
      maps: By method.
      fractions: From 0 to 1, both included.
      how: A fill, or KEYS.
      insertion: See `removal_sets`.
      batch: Inputs run at once.
    """
    # Both ends are the same for every map.
    inner = fractions[1:-1]
    sets = [removal_sets(values, inner, insertion=insertion) for values in maps.values()]
    everything = cells.without(scene, np.ones(len(cells), bool), how)
    inputs = [scene.inputs, everything]
    inputs += [cells.without(scene, removed, how) for points in sets for removed in points]
    actions = scene.policy.act(inputs, noise, batch=batch)[..., scene.space.counts]
    change = action_change(actions[0], actions[1:])
    closeness = 1 - change / change[0] if change[0] > 0 else np.full(len(change), np.nan)
    ends = (0.0, 1.0) if insertion else (1.0, 0.0)
    rows = closeness[1:].reshape(len(maps), len(inner))
    return {name: np.concatenate([[ends[0]], row, [ends[1]]]) for name, row in zip(maps, rows, strict=True)}
