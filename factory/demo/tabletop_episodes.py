"""Records the expert at work on table-tops that training never showed: both cameras, exact masks, actions, success.

Extras of such an episode, beside what every episode has:

    mask_primary, mask_wrist   (time, height, width) uint8: 0 background, 1.. objects, then gripper and arm
    target_id, reference_id    (time,) uint8: which object of the masks the instruction names; reference 0 where there is none
    object_color, object_shape (time, object) uint8: what each object is, in the order of its ids, as indices into COLOURS and SHAPES
    success                    (time,) bool: whether the goal is reached by then
"""

import numpy as np

from factory.demo.training.policy_shape import DATASET
from factory.tabletop.expert import expert_action
from factory.tabletop.instructions import write_instructions
from factory.tabletop.physics import step_physics
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import State, concatenate
from factory.tabletop.tasks import PUT_NEXT_TO, Task, goal_reached, sample_tasks
from octoscope.embedded.table_names import FAMILIES
from octoscope.episodes.episode import Episode

# Far from the seeds of training data and of the scores.
_FIRST_SEED = 5_000_000
_LONGEST = 24
# Steps shown after the goal is reached.
_AFTERWARDS = 2


def record_episodes(count_per_family: int) -> list[Episode]:
    """Returns as many episodes of each family, families taking turns."""
    with TabletopRenderer() as renderer:
        return [
            record_episode(renderer, family=family, seed=_FIRST_SEED + number)
            for number in range(count_per_family)
            for family in range(len(FAMILIES))
        ]


def record_episode(renderer: TabletopRenderer, *, family: int, seed: int) -> Episode:
    """Returns one episode of the expert, which ends soon after the goal is reached."""
    rng = np.random.default_rng([seed, family])
    start = sample_scenes(rng, 1)
    task = sample_tasks(rng, start, family=family)
    instruction = write_instructions(rng, start, task)[0]
    states, actions, reached = expert_steps(start, task)
    every = concatenate(states)
    primary, wrist = renderer.render_both(every)
    steps = len(states)
    reference = task.reference[0] + 1 if family == PUT_NEXT_TO else 0
    return Episode(
        images={"primary": primary, "wrist": wrist},
        instruction=instruction,
        actions=np.concatenate(actions).astype(np.float32),
        name=f"{DATASET}/{seed}",
        dataset=DATASET,
        extras={
            "mask_primary": renderer.segment(every, "primary"),
            "mask_wrist": renderer.segment(every, "wrist"),
            "target_id": np.full(steps, task.target[0] + 1, np.uint8),
            "reference_id": np.full(steps, reference, np.uint8),
            "object_color": every.colour.astype(np.uint8),
            "object_shape": every.shape.astype(np.uint8),
            "success": np.array(reached),
        },
    )


def expert_steps(start: State, task: Task) -> tuple[list[State], list[np.ndarray], list[bool]]:
    """Returns states, actions and whether the goal is reached of each step of the expert, until soon after it is."""
    states, actions, reached = [start], [expert_action(start, task)], [False]
    while len(states) < _LONGEST and sum(reached) < _AFTERWARDS:
        states.append(step_physics(states[-1], actions[-1]))
        actions.append(expert_action(states[-1], task))
        reached.append(reached[-1] or bool(goal_reached(start, states[-1], task)[0]))
    return states, actions, reached
