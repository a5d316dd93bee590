"""What methods learn from other episodes: which head goes best with occlusion, and one fixed map."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.correlation import pearson
from octoscope.errors import EpisodeError
from octoscope.faithfulness.episode_maps import EpisodeMaps


@dataclass(frozen=True, eq=False)
class HeadMemory:
    """Of every step of every episode what others may learn from it; small beside its maps. No step where no map needs a forward."""

    # Of the first episode: its name, and what others must have in common with it (see `EpisodeMaps`).
    first: str
    places: str
    methods: tuple[str, ...]
    # Place of each step's episode among those that are scored.
    owners: Int[np.ndarray, " step"]
    # Pearson's r of each head's map with occlusion; NaN where there is none.
    scores: Float[np.ndarray, "step layer head"]
    # Maps, mean over layers and heads.
    means: Float[np.ndarray, "step cell"]

    @classmethod
    def of(cls, episodes: Iterable[tuple[int, EpisodeMaps]]) -> "HeadMemory":
        """Returns the memory of episodes, each with its place; they are read one by one, and those unlike the first left out."""
        first: EpisodeMaps | None = None
        owners, scores, means = list[int](), list[np.ndarray](), list[np.ndarray]()
        for place, maps in episodes:
            first = first or maps
            for step in maps.measured if maps.alike(first) else ():
                if step.made.heads is not None:
                    owners.append(place)
                    scores.append(head_scores(step.made.heads, step.reference))
                    means.append(step.made.heads.mean(axis=(0, 1)))
        assert first is not None, "at least one episode"
        told = (first.name, first.places, first.methods)
        if not owners:
            return cls(*told, np.zeros(0, np.int64), np.zeros((0, 0, 0)), np.zeros((0, 0)))
        return cls(*told, np.array(owners, np.int64), np.stack(scores), np.stack(means))

    def check_alike(self, maps: EpisodeMaps) -> None:
        """Refuses an episode that cannot be scored with the first.

        Raises:
          EpisodeError: If its cells lie elsewhere, or other methods are possible.
        """
        if (maps.places, maps.methods) != (self.places, self.methods):
            raise EpisodeError(f"{maps.name} gives another token layout than {self.first}: score it on its own.")

    def best_head(self, place: int) -> tuple[int, int] | None:
        """Returns the layer and head that go best with occlusion in all other episodes; None without others."""
        others = self.owners != place
        return best_of(self.scores[others]) if others.any() else None

    def template(self, place: int) -> Float[np.ndarray, " cell"] | None:
        """Returns the mean map of all other episodes; None without others."""
        others = self.owners != place
        return self.means[others].mean(axis=0) if others.any() else None


def best_head(
    heads: Sequence[Float[np.ndarray, "layer head cell"]], references: Sequence[Float[np.ndarray, " cell"]]
) -> tuple[int, int]:
    """Returns the layer and head whose map goes best with occlusion: the largest mean Pearson's r over these steps."""
    return best_of(np.stack([head_scores(step, reference) for step, reference in zip(heads, references, strict=True)]))


def best_of(scores: Float[np.ndarray, "step layer head"]) -> tuple[int, int]:
    """Returns the layer and head of the largest mean over the steps that have a value."""
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    means = np.where(count > 0, np.where(known, scores, 0.0).sum(axis=0) / np.maximum(count, 1), -np.inf)
    layer, head = np.unravel_index(int(means.argmax()), means.shape)
    return int(layer), int(head)


def head_scores(
    heads: Float[np.ndarray, "layer head cell"], reference: Float[np.ndarray, " cell"]
) -> Float[np.ndarray, "layer head"]:
    """Returns Pearson's r of each head's map with a reference."""
    return np.array([[pearson(weights, reference) for weights in layer] for layer in heads])
