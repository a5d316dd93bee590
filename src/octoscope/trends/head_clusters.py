"""Heads that behave alike: clusters of cells by the means of their measures, and whether other tasks give the same ones."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from octoscope.array_typing import Float, Int
from octoscope.runs.column_table import ColumnTable
from octoscope.trends.episode_table import Cell, EpisodeTable

_MOST, _FEWEST_CELLS = 8, 6
# Measures that say what a cluster is like.
_NAMED = 3
RULE = (
    "Heads are clustered by the means of their measures over tasks, each measure brought to mean 0 and standard deviation 1 over heads "
    "(Ward's method); the number of clusters, 2 to 8, is the one with the largest mean silhouette. Agreement is the adjusted Rand index of "
    "the clusters that each half of the tasks gives alone: 1 is the same clusters, 0 is chance."
)


@dataclass(frozen=True, eq=False)
class HeadClusters:
    """A cluster for each cell of one query group."""

    stack: str
    group: str
    cells: tuple[Cell, ...]
    # From 0, the largest first.
    cluster: Int[np.ndarray, " cell"]
    # What each cluster is like: the measures that tell it most from the others, in standard deviations over heads.
    likeness: tuple[str, ...]
    silhouette: float
    # NaN for fewer than four tasks.
    agreement: float

    def columns(self) -> ColumnTable:
        """Returns a line for each head."""
        return ColumnTable(
            {
                "stack": [cell[0] for cell in self.cells],
                "queries": [cell[1] for cell in self.cells],
                "layer": [cell[2] for cell in self.cells],
                "head": [cell[3] for cell in self.cells],
                "cluster": self.cluster.tolist(),
                "like": [self.likeness[at] for at in self.cluster],
            }
        )


def cluster_heads(table: EpisodeTable) -> tuple[HeadClusters, ...]:
    """Returns the clusters of each stack and query group that has six heads or more."""
    groups = dict.fromkeys(cell[:2] for cell in table.cells)
    clusters = [_of_group(table, stack, group) for stack, group in groups]
    return tuple(each for each in clusters if each is not None)


def _of_group(table: EpisodeTable, stack: str, group: str) -> HeadClusters | None:
    places = [at for at, cell in enumerate(table.cells) if cell[:2] == (stack, group)]
    numbers = table.task_numbers
    features, names = _features(table, places, np.ones(len(numbers), bool))
    if len(places) < _FEWEST_CELLS or not names:
        return None
    distances = pdist(features)
    trees = linkage(features, "ward")
    scores = {
        count: _silhouette(distances, fcluster(trees, count, "maxclust"))
        for count in range(2, min(_MOST, len(places) - 1) + 1)
    }
    count = max(scores, key=lambda each: scores[each])
    cluster = _by_size(fcluster(trees, count, "maxclust"))
    halves = [_features(table, places, numbers % 2 == half)[0] for half in (0, 1)] if len(table.tasks) >= 4 else []
    alone = [fcluster(linkage(half, "ward"), count, "maxclust") for half in halves if half.shape[1]]
    agreement = _adjusted_rand(*alone) if len(alone) == 2 else float("nan")
    likeness = tuple(_likeness(features[cluster == at], names) for at in range(int(cluster.max()) + 1))
    return HeadClusters(
        stack, group, tuple(table.cells[at] for at in places), cluster, likeness, scores[count], agreement
    )


def _features(
    table: EpisodeTable, places: list[int], chosen: np.ndarray
) -> tuple[Float[np.ndarray, "cell measure"], list[str]]:
    """Returns standard scores of what is known of all heads and varies, and its names."""
    values = table.values[chosen][:, :, places].astype(np.float64)
    known = ~np.isnan(values)
    count = known.sum(axis=(0, 1))
    means = np.where(known, values, 0.0).sum(axis=(0, 1)) / np.maximum(1, count)
    deviation = means.std(axis=0)
    told = (count > 0).all(axis=0) & (deviation > 1e-6 * np.maximum(1.0, np.abs(means).max(axis=0)))
    scores = (means[:, told] - means[:, told].mean(axis=0)) / deviation[told]
    return scores, [name for name, each in zip(table.measures, told.tolist(), strict=True) if each]


def _likeness(scores: Float[np.ndarray, "cell measure"], names: list[str]) -> str:
    means = scores.mean(axis=0)
    most = np.argsort(-np.abs(means))[:_NAMED]
    return "; ".join(f"{'more' if means[at] > 0 else 'less'} {names[at]} ({means[at]:+.1f})" for at in most)


def _by_size(cluster: np.ndarray) -> np.ndarray:
    names, counts = np.unique(cluster, return_counts=True)
    places = {name: place for place, name in enumerate(names[np.argsort(-counts, kind="stable")])}
    return np.array([places[name] for name in cluster])


def _silhouette(distances: np.ndarray, cluster: np.ndarray) -> float:
    """Returns the mean silhouette (Rousseeuw 1987); a cluster of one counts as 0."""
    apart = squareform(distances)
    member = cluster == np.unique(cluster)[:, None]
    sums, sizes = apart @ member.T.astype(np.float64), member.sum(axis=1)
    own = member.argmax(axis=0)
    rows = np.arange(len(cluster))
    inside = sums[rows, own] / np.maximum(1, sizes[own] - 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outside = means.min(axis=1)
    largest = np.maximum(inside, outside)
    scores = np.where(largest > 0, (outside - inside) / np.where(largest > 0, largest, 1.0), 0.0)
    return float(np.where(sizes[own] > 1, scores, 0.0).mean())


def _adjusted_rand(some: np.ndarray, others: np.ndarray) -> float:
    """Returns how far two partitions agree beyond chance (Hubert & Arabie 1985)."""
    table = np.array([[((some == a) & (others == b)).sum() for b in np.unique(others)] for a in np.unique(some)], float)
    pairs = [(counts * (counts - 1) / 2).sum() for counts in (table, table.sum(axis=1), table.sum(axis=0))]
    total = len(some) * (len(some) - 1) / 2
    expected, largest = pairs[1] * pairs[2] / total, (pairs[1] + pairs[2]) / 2
    return float((pairs[0] - expected) / (largest - expected)) if largest > expected else 1.0
