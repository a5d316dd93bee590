"""Held-out table-tops at their first moment, with two instructions each and the patches of every object."""

from dataclasses import dataclass

import numpy as np

from factory.tabletop.evaluate import PolicyInput
from factory.tabletop.instructions import write_instructions
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import State
from factory.tabletop.tasks import Task, another_task, sample_tasks
from octoscope.array_typing import Bool, Float, UInt8
from octoscope.embedded.table_names import OBJECTS


@dataclass(frozen=True)
class ScoredScenes:
    """Scenes, what is asked in them, and where the objects are."""

    state: State
    primary: UInt8[np.ndarray, "scene height width 3"]
    wrist: UInt8[np.ndarray, "scene wrist_height wrist_width 3"]
    # What each pixel shows: 0 background, index + 1 of an object, then gripper and arm.
    mask_primary: UInt8[np.ndarray, "scene height width"]
    mask_wrist: UInt8[np.ndarray, "scene wrist_height wrist_width"]
    task: Task
    instructions: list[str]
    # The same task with another object of the scene.
    other_task: Task
    other_instructions: list[str]

    def __len__(self) -> int:
        """Returns the number of scenes."""
        return len(self.instructions)

    @property
    def shares_color(self) -> Bool[np.ndarray, " scene"]:
        """Where another object has the named object's colour."""
        rows = np.arange(len(self))
        same = self.state.colour == self.state.colour[rows, self.task.target][:, None]
        return same.sum(axis=1) > 1

    def coverage(self, *, grid: int) -> Float[np.ndarray, "scene object row column"]:
        """Returns the share of each patch of the primary picture that each object covers, from 0 to 1."""
        covered = self.mask_primary[:, None] == np.arange(1, OBJECTS + 1)[:, None, None]
        cell = covered.shape[-1] // grid
        return covered.reshape(*covered.shape[:2], grid, cell, grid, cell).mean(axis=(3, 5))

    def seen(
        self,
        instructions: list[str],
        *,
        primary: np.ndarray | None = None,
        wrist: np.ndarray | None = None,
        window: int = 2,
    ) -> PolicyInput:
        """Returns what the policy gets at the first step of an episode: no history, the picture repeated."""
        primary = self.primary if primary is None else primary
        wrist = self.wrist if wrist is None else wrist
        real = np.arange(window) == window - 1
        return PolicyInput(
            primary=np.repeat(primary[:, None], window, axis=1),
            wrist=np.repeat(wrist[:, None], window, axis=1),
            timestep_pad_mask=np.tile(real, (len(primary), 1)),
            instructions=instructions,
        )


def draw_scenes(count: int, *, seed: int, held_out_wording: bool = False) -> ScoredScenes:
    """Returns fresh scenes; keep `seed` away from training's."""
    rng = np.random.default_rng(seed)
    state = sample_scenes(rng, count)
    task = sample_tasks(rng, state)
    other = another_task(rng, state, task)
    with TabletopRenderer() as renderer:
        primary, wrist = renderer.render_both(state)
        masks = renderer.segment(state, "primary"), renderer.segment(state, "wrist")
    return ScoredScenes(
        state,
        primary,
        wrist,
        *masks,
        task,
        write_instructions(rng, state, task, held_out=held_out_wording),
        other,
        write_instructions(rng, state, other, held_out=held_out_wording),
    )
