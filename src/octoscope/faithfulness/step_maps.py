"""The maps of every method for one step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float, Float32
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.integrated_path import PathGradients, integrate_path
from octoscope.faithfulness.key_maps import key_values
from octoscope.faithfulness.methods import DIRECT, KEY_METHODS
from octoscope.faithfulness.readout_maps import readout_maps
from octoscope.faithfulness.step_gradients import GradientPrograms
from octoscope.interventions.batched_policy import BatchedPolicy
from octoscope.interventions.effects import action_change
from octoscope.interventions.fills import blurred
from octoscope.interventions.step_scene import StepScene

_WITHOUT_ALL_ROWS = {*DIRECT, "occlusion", "random"}


@dataclass(frozen=True, eq=False)
class StepMaps:
    """One step's maps, each a value for every cell, 0 or more."""

    maps: Mapping[str, Float[np.ndarray, " cell"]]
    # Raw weights of each head, for choosing the best one; None where no method asked for a forward.
    heads: Float[np.ndarray, "layer head cell"] | None
    # Of integrated gradients, see `PathGradients`: completeness gap and points; NaN and 0 where they were not asked for.
    gap: float = float("nan")
    points: int = 0


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
    # Of integrated gradients, to begin with.
    points: int
    # Only these of METHODS.
    methods: Sequence[str]
    # Sentences on methods that were asked for and that the policy does not allow.
    left_out: Sequence[str] = ()
    # Of integrated gradients: the largest completeness gap that is taken, see `integrate_path`.
    tolerance: float = 0.05

    def at(self, scene: StepScene, key: Array, rng: np.random.Generator) -> StepMaps:
        """Returns the maps of a step, but for those that need other episodes; `rng` is for the random map."""
        maps, heads, path = self._of_all_rows(scene, key) if set(self.methods) - _WITHOUT_ALL_ROWS else ({}, None, None)
        maps |= readout_maps(
            self.methods,
            self.cells,
            scene,
            key,
            target=self.target,
            moves=self.moves,
            params=self.programs.params,
            action_dim=self.programs.action_dim,
        )
        if "occlusion" in self.methods:
            maps["occlusion"] = self.occlusion(scene, key, self.occlusion_fill)
        if "random" in self.methods:
            maps["random"] = rng.random(len(self.cells))
        return StepMaps(maps, heads) if path is None else StepMaps(maps, heads, path.gap, path.points)

    def occlusion(self, scene: StepScene, key: Array, how: str) -> Float[np.ndarray, " cell"]:
        """Returns how much the action changes when each cell alone is taken away."""
        removed = np.eye(len(self.cells), dtype=bool)
        inputs = [scene.inputs, *(self.cells.without(scene, one, how) for one in removed)]
        actions = self.policy.act(inputs, key)[..., self.moves]
        return action_change(actions[0], actions[1:])

    def _of_all_rows(
        self, scene: StepScene, key: Array
    ) -> tuple[dict[str, Float[np.ndarray, " cell"]], Float[np.ndarray, "layer head cell"], PathGradients | None]:
        """Returns what one forward, and a backward where some method needs it, tell; and each head's weights."""
        watched, row = self.programs.watch(scene.inputs, key), readout_row(scene)
        weights = self.target.weights(watched.action, self.moves)
        found = None
        if {"relevance", "gradient"} & set(self.methods):
            found = self.programs.at(scene.inputs, key, weights)
        maps = {
            name: self.cells.gathered(key_values(name, watched, row, found))
            for name in self.methods
            if name in KEY_METHODS
        }
        if found is not None and "gradient" in self.methods:
            pixels = self._by_camera(scene, found.pixels, absolute=True)
            maps["gradient"] = self.cells.gathered_pixels(scene, pixels)
        path = None
        if "integrated gradients" in self.methods:
            end = float((watched.action.astype(np.float64) * weights).sum())
            path = self._path(scene, weights, key, end)
            # Signs within a cell may cancel, as they do in the action; a cell that holds the action back matters too.
            pixels = self._by_camera(scene, path.pixels, absolute=False)
            maps["integrated gradients"] = np.abs(self.cells.gathered_pixels(scene, pixels))
        return maps, self.cells.gathered(watched.weights[:, :, row].astype(np.float64)), path

    def _path(
        self, scene: StepScene, weights: Float32[np.ndarray, "horizon dim"], key: Array, end: float
    ) -> PathGradients:
        # From the blurred picture: grey itself is an input of the network that may mean much.
        observation = scene.inputs.observation
        baseline = {
            name: np.array(value, np.float32) for name, value in observation.items() if name.startswith("image_")
        }
        for name, images in baseline.items():
            for time in range(images.shape[1]):
                images[0, time] = blurred(np.asarray(observation[name][0, time]))
        return integrate_path(
            self.programs,
            scene.inputs,
            baseline,
            key,
            weights,
            end=end,
            points=self.points,
            tolerance=self.tolerance,
        )

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
