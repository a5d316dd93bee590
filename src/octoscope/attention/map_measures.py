"""Measures of a row or map, one number each: entropy, spread, distance, centre of mass. NumPy in, NumPy out.

Where a measure needs a distribution, a map is divided by its own sum first, so it says how the weight within the frame is spread and
nothing of how much weight there is: that is the share's to say. A map without any weight gives NaN.
"""

import numpy as np

from octoscope.array_typing import Bool, Float


def attention_entropy(weights: Float[np.ndarray, "*batch key"]) -> Float[np.ndarray, "*batch"]:
    """Returns the entropy of whole rows in bits: 0 for one key alone, log2(n) for n keys alike.

    Weights are taken as they are; a row that misses keys (NaN) has no entropy and gives NaN.

    >>> attention_entropy(np.array([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]))
    array([0., 2.])
    """
    logs = np.log2(np.where(weights > 0, weights, 1.0))
    return np.asarray(np.abs((weights * logs).sum(axis=-1)))


def relative_entropy_of_row(
    weights: Float[np.ndarray, "*batch key"], visible: Bool[np.ndarray, " key"]
) -> Float[np.ndarray, "*batch"]:
    """Returns the entropy over the most it could be, log2 of the number of visible keys: 0 for one key alone, 1 for even attention.

    >>> relative_entropy_of_row(np.array([0.5, 0.5, 0.0]), np.array([True, True, False]))
    array(1.)
    """
    return np.asarray(attention_entropy(weights) / max(1.0, np.log2(max(1, int(visible.sum())))))


def _as_distribution(maps: Float[np.ndarray, "*batch row column"]) -> Float[np.ndarray, "*batch row column"]:
    """Returns maps that sum to 1; NaN where there is no weight at all.

    >>> _as_distribution(np.array([[0.1, 0.3]]))
    array([[0.25, 0.75]])
    """
    total = maps.sum(axis=(-2, -1), keepdims=True, dtype=np.float64)
    return maps / np.where(total > 0, total, np.nan)


def center_of_mass(
    maps: Float[np.ndarray, "*batch row column"], places: Float[np.ndarray, "row column 2"]
) -> Float[np.ndarray, "*batch 2"]:
    """Returns where a map's weight lies on average, in the units of `places` (y, x).

    >>> center_of_mass(np.array([[1.0, 3.0]]), np.array([[[8.0, 8.0], [8.0, 24.0]]]))
    array([ 8., 20.])
    """
    return np.einsum("...rc,rci->...i", _as_distribution(maps), places)


def map_spread(
    maps: Float[np.ndarray, "*batch row column"], places: Float[np.ndarray, "row column 2"]
) -> Float[np.ndarray, "*batch"]:
    """Returns the root of the mean squared distance of a map's weight from its centre of mass, in the units of `places`.

    0 for one patch. It is no attention distance: that needs a query with a place of its own, which a readout does not have.

    >>> float(map_spread(np.array([[1.0, 1.0]]), np.array([[[0.0, 0.0], [0.0, 2.0]]])))
    1.0
    """
    offsets = places - center_of_mass(maps, places)[..., None, None, :]
    return np.asarray(np.sqrt((_as_distribution(maps) * (offsets**2).sum(axis=-1)).sum(axis=(-2, -1))))


def attention_distance(
    maps: Float[np.ndarray, "*batch query row column"], places: Float[np.ndarray, "row column 2"]
) -> Float[np.ndarray, "*batch query"]:
    """Returns how far patches look on average, within their own frame, in the units of `places`.

    As in Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, figure 7 (https://arxiv.org/abs/2010.11929), where all
    weight lies in one frame; here that weight is divided by what the frame gets.

    Args:
      maps: Maps of the frame's own patches, row-major: as many queries as places.
      places: Centres of the patches.

    >>> attention_distance(np.array([[[1.0, 1.0]], [[0.0, 1.0]]]), np.array([[[0.0, 0.0], [0.0, 4.0]]]))
    array([2., 0.])
    """
    flat = places.reshape(-1, 2)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1).reshape(len(flat), *places.shape[:2])
    return (_as_distribution(maps) * apart).sum(axis=(-2, -1))


def known_mean(values: Float[np.ndarray, "*axes last"]) -> Float[np.ndarray, "*axes"]:
    """Returns the mean over the last axis of what is not NaN, in double precision; NaN where nothing is.

    >>> known_mean(np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan]]))
    array([1.5, nan])
    """
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=-1, dtype=np.float64)
    return np.where(known.any(axis=-1), total / np.maximum(known.sum(axis=-1), 1), np.nan)
