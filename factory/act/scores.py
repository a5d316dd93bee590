"""What the embedded ACT can do and whether its maps mean something: `python -m factory.act.scores FOLDER -o scores.json`."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from factory.act.closed_loop import cross_weights, normalized_chunks, pick_up
from factory.act.episodes import first_moments
from factory.demo.scores.occlusion import FILLS, cover_pixels
from factory.tabletop.renderer import TabletopRenderer
from octoscope.embedded.table_names import OBJECTS
from octoscope.episodes.episode import Episode
from octoscope.faithfulness.score import score_faithfulness
from octoscope.faithfulness.score_table import FaithfulnessTable
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.intervals import mean_interval
from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel

# Training has the seeds below a thousand.
MAP_SEED, COVER_SEED = 1_000_011, 1_000_012
EPISODE_SEEDS = (2_000_011, 2_000_012)
# By one step at a time, and by the mean of the last chunks.
ENSEMBLES = (1, 4)
METHODS = (
    "last layer",
    "mean of heads",
    "best head",
    "value-weighted",
    "gradient",
    "integrated gradients",
    "occlusion",
    "random",
    "fixed template",
)


@dataclass(frozen=True)
class Scores:
    """Success, maps, and what covering an object does, on scenes that training never showed."""

    folder: Annotated[Path, tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Closed-loop episodes per seed, scenes for all methods' maps, and scenes for heads and covering; 0 leaves a part out.
    episodes: int = 100
    maps: int = 100
    covered: int = 400

    def __call__(self) -> None:
        """Writes the file in one move."""
        model = ActModel.load_pretrained(self.folder)
        with TabletopRenderer() as renderer:
            scenes = first_moments(renderer, count=self.maps, seed=MAP_SEED)
            covered = first_moments(renderer, count=self.covered, seed=COVER_SEED)
        scores = {
            "scenes": self.maps,
            "closed_loop": score_closed_loop(model, episodes=self.episodes) if self.episodes else [],
            "covering": score_covering(model, covered) if covered else [],
            "heads": score_heads(model, covered) if covered else [],
            "maps": map_rows(score_maps(model, scenes)) if scenes else [],
        }
        partial = self.output.with_name(self.output.name + ".partial")
        partial.write_text(json.dumps(scores, indent=1) + "\n")
        os.replace(partial, self.output)  # noqa: PTH105


def score_closed_loop(model: ActModel, *, episodes: int) -> list[dict[str, Any]]:
    """Returns one row for each way to act and seed."""
    return [
        {"chunks": ensemble, "seed": seed, **pick_up(model, episodes=episodes, seed=seed, ensemble=ensemble).row()}
        for ensemble in ENSEMBLES
        for seed in EPISODE_SEEDS
    ]


def score_covering(model: ActModel, scenes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Returns, per fill, how far the chunk moves (normalised units, Euclidean) when the red object is covered, and when another is.

    An object's pixels are covered and two around them; of the others, the mean of the three. The ratio is that of the means.
    """
    pictures = np.concatenate([np.asarray(scene.images["primary"]) for scene in scenes])
    masks, hands = (np.concatenate([scene.extras[name] for scene in scenes]) for name in ("mask_primary", "state"))
    target = np.concatenate([scene.extras["target_id"] for scene in scenes]).astype(int) - 1
    plain, rows = normalized_chunks(model, pictures, hands), np.arange(len(scenes))
    results: list[dict[str, Any]] = []
    for fill in FILLS:
        chunks = [
            normalized_chunks(model, cover_pixels(pictures, masks == index + 1, fill=fill), hands)
            for index in range(OBJECTS)
        ]
        changes = np.stack(
            [np.linalg.norm((chunk - plain).reshape(len(plain), -1), axis=1) for chunk in chunks], axis=1
        )
        red = changes[rows, target]
        other = (changes.sum(axis=1) - red) / (OBJECTS - 1)
        ends = {"red": red, "other": other}
        results.append(
            {
                "fill": fill,
                "scenes": len(scenes),
                **{
                    name: [float(each.mean()), *mean_interval(each, bounds=(0.0, np.inf))]
                    for name, each in ends.items()
                },
                "ratio": float(red.mean() / other.mean()),
            }
        )
    return results


def score_heads(model: ActModel, scenes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Returns, for each head of `decoder.cross`, how often the first action's row points at the red object, and its mass there."""
    pictures, hands, masks = (
        np.concatenate([np.asarray(values) for values in parts])
        for parts in zip(
            *((scene.images["primary"], scene.extras["state"], _red(scene)) for scene in scenes), strict=True
        )
    )
    weights = cross_weights(model, pictures, hands)[:, :, :, 0]
    side = round((weights.shape[-1] - len(model.config.plain_tokens)) ** 0.5)
    cell = masks.shape[1] // side
    coverage = masks.reshape(-1, side, cell, side, cell).mean(axis=(2, 4)).reshape(len(masks), side * side)
    rows, cells = np.arange(len(scenes)), weights[..., len(model.config.plain_tokens) :]
    results: list[dict[str, Any]] = []
    for layer, head in np.ndindex(weights.shape[1:3]):
        row = cells[:, layer, head]
        hits, mass = coverage[rows, row.argmax(axis=1)] > 0, (row * coverage).sum(axis=1)
        results.append(_head_row(f"{layer}.{head}", hits, mass))
    return [*results, _head_row("by chance", (coverage > 0).mean(axis=1), coverage.mean(axis=1))]


def _head_row(name: str, hits: np.ndarray, mass: np.ndarray) -> dict[str, Any]:
    values = {"pointing": hits, "mass": mass}
    means = {key: [float(each.mean()), *mean_interval(each, bounds=(0.0, 1.0))] for key, each in values.items()}
    return {"head": name, "scenes": len(hits), **means}


def _red(scene: Episode) -> np.ndarray:
    return np.asarray(scene.extras["mask_primary"]) == np.asarray(scene.extras["target_id"])[:, None, None]


def score_maps(model: ActModel, scenes: Sequence[Episode]) -> FaithfulnessTable:
    """Returns every method's scores on the scenes, as `octoscope faithfulness` would."""
    return score_faithfulness(ActPolicy(model), scenes, FaithfulnessSettings(methods=METHODS, steps=1))


def map_rows(table: FaithfulnessTable) -> list[dict[str, Any]]:
    """Returns one row for each method, its scores with their intervals and number of scenes."""
    return [
        {
            "method": line.label,
            **{
                name: [score.mean, score.low, score.high, score.episodes]
                for name, score in line.scores.items()
                if score.episodes
            },
        }
        for line in table.methods
    ]


if __name__ == "__main__":
    tyro.cli(Scores)()
