"""The maps of every method for one step, and what each of them costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float, Float32
from octoscope.attention.relevance import relevance_row
from octoscope.attention.rollout import rollout_row
from octoscope.attention.value_norms import norm_weighted_attention
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.step_gradients import GradientPrograms, StepGradients
from octoscope.interventions.batched_policy import BatchedPolicy
from octoscope.interventions.effects import action_change
from octoscope.interventions.fills import blurred
from octoscope.interventions.step_scene import StepScene

# Method -> what it needs for one step, beside the forward that acts.
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "last layer": "the forward that acts",
        "mean of heads": "the forward that acts",
        "best head": "the forward that acts; other episodes' occlusion",
        "value-weighted": "the forward that acts",
        "rollout": "the forward that acts",
        "relevance": "1 backward",
        "gradient": "1 backward",
        "integrated gradients": "{points} forwards and backwards",
        "occlusion": "{cells} forwards",
        "random": "nothing",
        "fixed template": "other episodes' forwards",
    }
)
# Chosen or averaged over other episodes, once all are seen.
FROM_OTHERS = ("best head", "fixed template")
_WITHOUT_A_PASS = ("occlusion", "random")
# Those that claim to find what the action depends on; the rest say where attention lies.
CAUSAL = ("relevance", "gradient", "integrated gradients", "occlusion")


@dataclass(frozen=True, eq=False)
class StepMaps:
    """One step's maps, each a value for every cell, 0 or more."""

    maps: Mapping[str, Float[np.ndarray, " cell"]]
    # Raw weights of each head, for choosing the best one; None where no method asked for a forward.
    heads: Float[np.ndarray, "layer head cell"] | None


@dataclass(frozen=True, eq=False)
class MapMaker:
    """Makes the maps of one step after another."""

    programs: GradientPrograms
    policy: BatchedPolicy
    cells: Cells
    target: ActionTarget
    # False for dimensions of the action that the dataset never moves.
    moves: Bool[np.ndarray, " dim"]
    occlusion_fill: str
    # Of integrated gradients.
    points: int
    # Only these of METHODS.
    methods: Sequence[str]

    def at(self, scene: StepScene, key: Array, rng: np.random.Generator) -> StepMaps:
        """Returns the maps of a step, but for those that need other episodes; `rng` is for the random map."""
        maps: dict[str, Float[np.ndarray, " cell"]] = {}
        heads = None
        if set(self.methods) - set(_WITHOUT_A_PASS):
            action = self.policy.act([scene.inputs], key)[0]
            weights = self.target.weights(action, self.moves)
            found = self.programs.at(scene.inputs, key, weights)
            asked = [name for name in self.methods if name not in (*FROM_OTHERS, *_WITHOUT_A_PASS)]
            maps |= {name: self._map(name, scene, found, weights, key) for name in asked}
            heads = self.cells.gathered(found.weights[:, :, readout_row(scene)].astype(np.float64))
        if "occlusion" in self.methods:
            maps["occlusion"] = self.occlusion(scene, key, self.occlusion_fill)
        if "random" in self.methods:
            maps["random"] = rng.random(len(self.cells))
        return StepMaps(maps, heads)

    def occlusion(self, scene: StepScene, key: Array, how: str) -> Float[np.ndarray, " cell"]:
        """Returns how much the action changes when each cell alone is taken away."""
        removed = np.eye(len(self.cells), dtype=bool)
        inputs = [scene.inputs, *(self.cells.without(scene, one, how) for one in removed)]
        actions = self.policy.act(inputs, key)[..., self.moves]
        return action_change(actions[0], actions[1:])

    def _map(
        self,
        name: str,
        scene: StepScene,
        found: StepGradients,
        weights: Float32[np.ndarray, "horizon dim"],
        key: Array,
    ) -> Float[np.ndarray, " cell"]:
        row = readout_row(scene)
        match name:
            case "last layer":
                return self.cells.gathered(found.weights[-1, :, row].mean(axis=0, dtype=np.float64))
            case "mean of heads":
                return self.cells.gathered(found.weights[:, :, row].mean(axis=(0, 1), dtype=np.float64))
            case "value-weighted":
                moved = norm_weighted_attention(found.weights[:, :, row : row + 1], found.moved_norms)
                return self.cells.gathered(moved[:, :, 0].mean(axis=(0, 1), dtype=np.float64))
            case "rollout":
                return self.cells.gathered(rollout_row(found.weights[::-1], row)[0])
            case "relevance":
                return self.cells.gathered(relevance_row(found.weights, found.gradients, row))
            case "gradient":
                return self.cells.gathered_pixels(scene, self._by_camera(scene, found.pixels, absolute=True))
        assert name == "integrated gradients", f"{name} is a method"
        return self._integrated(scene, weights, key)

    def _integrated(
        self, scene: StepScene, weights: Float32[np.ndarray, "horizon dim"], key: Array
    ) -> Float[np.ndarray, " cell"]:
        # From the blurred picture: grey itself is an input of the network that may mean much.
        observation = scene.inputs.observation
        baseline = {
            name: np.array(value, np.float32) for name, value in observation.items() if name.startswith("image_")
        }
        for name, images in baseline.items():
            for time in range(images.shape[1]):
                images[0, time] = blurred(np.asarray(observation[name][0, time]))
        found = self.programs.path_gradients(scene.inputs, baseline, key, weights, points=self.points)
        # Signs within a cell may cancel, as they do in the action; a cell that holds the action back matters too.
        return np.abs(self.cells.gathered_pixels(scene, self._by_camera(scene, found, absolute=False)))

    def _by_camera(
        self, scene: StepScene, pixels: Mapping[str, np.ndarray], *, absolute: bool
    ) -> dict[str, Float[np.ndarray, "window _ _"]]:
        return {
            camera: (np.abs(found) if absolute else found).sum(axis=-1)
            for camera in self.cells.sources
            for found in [pixels[scene.image_key(camera)]]
        }


def readout_row(scene: StepScene) -> int:
    """Returns the place of the current readout's first token, or of the last token of a policy that has no readout."""
    readouts = [span for span in scene.layout.spans if span.source.kind == "readout"]
    return readouts[-1].start if readouts else scene.layout.size - 1
