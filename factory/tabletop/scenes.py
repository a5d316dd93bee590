"""Fresh scenes: four distinct objects, often two of one colour, with table, light and gripper varied."""

from collections.abc import Callable

import numpy as np

from factory.tabletop.state import NOTHING, State
from octoscope.array_typing import Bool, Float, Int
from octoscope.embedded.table_names import COLOURS, OBJECTS, SHAPES

# Centres of fresh objects lie within this distance of the table's middle, in x and in y.
SPREAD = (0.20, 0.16)
# So far apart that no two fresh objects count as "next to" each other.
CLEARANCE = 0.145
RADII = (0.038, 0.044)
GRIPPER_HEIGHTS = (0.08, 0.18)
# The share of scenes in which a second object is given another's colour on purpose; chance adds more.
SAME_COLOUR_SHARE = 0.4


def sample_scenes(rng: np.random.Generator, batch: int) -> State:
    """Draws fresh scenes with an empty gripper.

    >>> sample_scenes(np.random.default_rng(0), 5).position.shape
    (5, 4, 3)
    """
    colour, shape = _sample_kinds(rng, batch)
    places = _sample_places(rng, batch)
    gripper = np.concatenate(
        [rng.uniform(-1, 1, (batch, 2)) * SPREAD, rng.uniform(*GRIPPER_HEIGHTS, (batch, 1))], axis=1
    )
    return State(
        position=np.concatenate([places, np.zeros((batch, OBJECTS, 1))], axis=2),
        radius=rng.uniform(*RADII, (batch, OBJECTS)),
        yaw=rng.uniform(0, np.pi, (batch, OBJECTS)),
        colour=colour,
        shape=shape,
        gripper=gripper,
        opened=rng.random(batch) < 0.5,
        held=np.full(batch, NOTHING),
        look=rng.integers(1 << 31, size=batch),
    )


def shares_a_colour(state: State) -> Bool[np.ndarray, "batch object"]:
    """Returns which objects have the colour of another object of their scene."""
    return (state.colour[:, :, None] == state.colour[:, None, :]).sum(axis=2) > 1


def _sample_kinds(
    rng: np.random.Generator, batch: int
) -> tuple[Int[np.ndarray, "batch object"], Int[np.ndarray, "batch object"]]:
    """Draws colour and shape of each object, no pair of them twice in a scene."""
    kinds = _redraw_until(
        lambda count: rng.integers(len(COLOURS) * len(SHAPES), size=(count, OBJECTS)), batch, keep=_all_differ
    )
    colour, shape = np.divmod(kinds, len(SHAPES))
    forced = rng.random(batch) < SAME_COLOUR_SHARE
    # The twin gets the next shape, so that the pair stays distinct; a clash with a third object undoes it.
    twin_colour, twin_shape = colour.copy(), shape.copy()
    twin_colour[forced, 1] = colour[forced, 0]
    twin_shape[forced, 1] = (shape[forced, 0] + rng.integers(1, len(SHAPES), forced.sum())) % len(SHAPES)
    distinct = _all_differ(twin_colour * len(SHAPES) + twin_shape)[:, None]
    order = rng.permuted(np.tile(np.arange(OBJECTS), (batch, 1)), axis=1)
    return (
        np.take_along_axis(np.where(distinct, twin_colour, colour), order, axis=1),
        np.take_along_axis(np.where(distinct, twin_shape, shape), order, axis=1),
    )


def _sample_places(rng: np.random.Generator, batch: int) -> Float[np.ndarray, "batch object 2"]:
    """Draws positions on the table that keep their distance from each other."""
    return _redraw_until(lambda count: rng.uniform(-1, 1, (count, OBJECTS, 2)) * SPREAD, batch, keep=_all_apart)


def _redraw_until(
    draw: Callable[[int], np.ndarray], batch: int, *, keep: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Draws `batch` rows and draws those again that `keep` refuses, until it accepts all."""
    rows = draw(batch)
    refused = np.flatnonzero(~keep(rows))
    while len(refused):
        rows[refused] = draw(len(refused))
        refused = refused[~keep(rows[refused])]
    return rows


def _all_differ(kinds: Int[np.ndarray, "batch object"]) -> Bool[np.ndarray, " batch"]:
    in_order = np.sort(kinds, axis=1)
    return (in_order[:, 1:] != in_order[:, :-1]).all(axis=1)


def _all_apart(places: Float[np.ndarray, "batch object 2"]) -> Bool[np.ndarray, " batch"]:
    distance = np.linalg.norm(places[:, :, None] - places[:, None, :], axis=3)
    return (distance + np.eye(OBJECTS) > CLEARANCE).all(axis=(1, 2))
