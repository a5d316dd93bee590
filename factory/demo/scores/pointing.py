"""Does attention point at the named object, and does it change its mind when the words do?

The pointing game (Zhang et al., "Top-Down Neural Attention by Excitation Backprop", 2018, https://arxiv.org/abs/1608.00507):
a hit is a map whose largest patch touches the object. Mass is the share of the map, over the patches of the present primary
frame, that lies on patches weighted by how much of them the object covers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.demo.scores.closed_loop import policy_observations
from factory.demo.scores.scenes import ScoredScenes
from octoscope.array_typing import Bool, Float
from octoscope.attention.rollout import attention_rollout
from octoscope.intervals import mean_interval
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.states import attention_weights

_CHUNK = 25


@dataclass(frozen=True)
class PatchMaps:
    """The readout's attention to the patches of the present primary frame, raw weights."""

    heads: Float[np.ndarray, "scene layer head row column"]
    rollout: Float[np.ndarray, "scene row column"]

    def named(self, name: str) -> Float[np.ndarray, "scene row column"]:
        """Returns the map called "layer.head", "mean of layer L", "mean of all" or "rollout"."""
        if name == "rollout":
            return self.rollout
        if name == "mean of all":
            return self.heads.mean(axis=(1, 2))
        if name.startswith("mean of layer"):
            return self.heads[:, int(name.split()[-1])].mean(axis=1)
        layer, head = map(int, name.split("."))
        return self.heads[:, layer, head]


def readout_maps(model: OctoModel, scenes: ScoredScenes, instructions: list[str], *, window: int = 2) -> PatchMaps:
    """Returns the maps of all scenes, a few at a time."""
    heads, rollouts = [], []
    for start in range(0, len(scenes), _CHUNK):
        part = slice(start, start + _CHUNK)
        seen = scenes.seen(instructions[part], primary=scenes.primary[part], wrist=scenes.wrist[part], window=window)
        observations = policy_observations(seen, window=window)
        tasks = model.create_tasks(texts=seen.instructions)
        layout = model.token_layout(observations, tasks)
        _, states = model.run_transformer(observations, tasks, mutable=["intermediates"])
        weights = np.asarray(attention_weights(states))
        query = int(layout.select("readout_action", timestep=-1)[0])
        patches = layout.select("obs_primary", timestep=-1)
        side = round(len(patches) ** 0.5)
        heads.append(weights[:, :, :, query][..., patches].reshape(*weights.shape[:3], side, side))
        rollouts += [attention_rollout(w)[query][patches].reshape(side, side) for w in weights]
    return PatchMaps(np.concatenate(heads), np.stack(rollouts))


def hits(
    maps: Float[np.ndarray, "scene row column"], coverage: Float[np.ndarray, "scene row column"]
) -> Bool[np.ndarray, " scene"]:
    """Returns whether each map's largest patch touches the object."""
    flat = maps.reshape(len(maps), -1)
    return coverage.reshape(len(maps), -1)[np.arange(len(maps)), flat.argmax(axis=1)] > 0


def mass(
    maps: Float[np.ndarray, "scene row column"], coverage: Float[np.ndarray, "scene row column"]
) -> Float[np.ndarray, " scene"]:
    """Returns the share of each map that lies on the object."""
    return (maps * coverage).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))


def best_head(model: OctoModel, scenes: ScoredScenes, *, window: int = 2) -> str:
    """Returns the head ("layer.head") that points best on these scenes; score it on others."""
    maps = readout_maps(model, scenes, scenes.instructions, window=window)
    target = _of(scenes, scenes.task.target, maps)
    layers, heads = maps.heads.shape[1:3]
    rates = {f"{i}.{j}": hits(maps.heads[:, i, j], target).mean() for i in range(layers) for j in range(heads)}
    return max(rates, key=lambda name: rates[name])


def score_pointing(model: OctoModel, scenes: ScoredScenes, *, head: str, window: int = 2) -> list[dict[str, Any]]:
    """Returns one row per map: hits and mass on all scenes and where another object shares the colour.

    "by chance" is what a map that points anywhere on the grid alike would get.
    """
    maps = readout_maps(model, scenes, scenes.instructions, window=window)
    target = _of(scenes, scenes.task.target, maps)
    subsets = {"all scenes": np.ones(len(scenes), bool), "same colour": scenes.shares_color}
    layers = maps.heads.shape[1]
    names = [head, *(f"mean of layer {layer}" for layer in range(layers)), "mean of all", "rollout"]
    rows = []
    for subset, chosen in subsets.items():
        for name in names:
            drawn = maps.named(name)[chosen]
            hit, share = hits(drawn, target[chosen]), mass(drawn, target[chosen])
            rows.append(
                {
                    "map": f"best head {name}" if name == head else name,
                    "scenes": subset,
                    "count": int(chosen.sum()),
                    "pointing": float(hit.mean()),
                    "interval": mean_interval(hit, bounds=(0.0, 1.0)),
                    "mass": float(share.mean()),
                }
            )
        rows.append(
            {
                "map": "by chance",
                "scenes": subset,
                "count": int(chosen.sum()),
                "pointing": float((target[chosen] > 0).mean()),
                "interval": mean_interval((target[chosen] > 0).mean(axis=(1, 2)), bounds=(0.0, 1.0)),
                "mass": float(target[chosen].mean()),
            }
        )
    return rows


def score_switch(model: OctoModel, scenes: ScoredScenes, *, head: str, window: int = 2) -> dict[str, float]:
    """Returns, for the same frames told to go to another object, how often the head follows the words and how often it stays."""
    maps = readout_maps(model, scenes, scenes.other_instructions, window=window).named(head)
    side = maps.shape[1]
    rows, coverage = np.arange(len(scenes)), scenes.coverage(grid=side)
    follows = hits(maps, coverage[rows, scenes.other_task.target])
    stays = hits(maps, coverage[rows, scenes.task.target]) & ~follows
    return {"follows": float(follows.mean()), "stays": float(stays.mean())}


def _of(scenes: ScoredScenes, chosen: np.ndarray, maps: PatchMaps) -> Float[np.ndarray, "scene row column"]:
    return scenes.coverage(grid=maps.rollout.shape[1])[np.arange(len(scenes)), chosen]
