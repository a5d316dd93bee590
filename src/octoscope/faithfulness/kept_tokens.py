"""Image tokens that stay in the sequence, and how long a step takes with fewer of them."""

import time
from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.faithfulness.cells import Cells
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.abilities import DropsTokens
from octoscope.policies.noise import Noise


def time_rounds(
    scene: StepScene, noise: Noise, cells: Cells, counts: Sequence[int], *, rounds: int
) -> Float[np.ndarray, "round point"]:
    """Returns the seconds of a step with so many cells kept, inputs on the device: all counts once a round, in an order drawn anew.

    So whatever else the machine does hits all counts of a round alike, and a ratio within a round is worth more than one of times.
    """
    seconds, rng = np.zeros((rounds, len(counts))), np.random.default_rng(0)
    if not rounds:
        return seconds
    assert isinstance(scene.policy, DropsTokens), "tokens can be dropped"
    act = scene.policy.dropper(scene.inputs, noise)
    places = [kept_places(cells, np.arange(len(cells)) < count) for count in counts]
    for kept in places:
        act(kept)
    for each in seconds:
        for point in rng.permutation(len(counts)):
            start = time.perf_counter()
            act(places[point])
            each[point] = time.perf_counter() - start
    return seconds


def kept_places(cells: Cells, kept: Bool[np.ndarray, " cell"]) -> Int[np.ndarray, " token"]:
    """Returns the places of the sequence that stay: those of kept cells at every timestep, and everything that is no image."""
    stays = np.ones(cells.layout.size, bool)
    stays[cells.keys()[~kept].ravel()] = False
    return np.flatnonzero(stays)
