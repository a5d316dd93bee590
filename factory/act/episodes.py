"""Records the expert picking up the red object of table-tops that training never showed: the camera, the hand, exact masks, success.

Extras of such an episode, beside what every episode has:

    state                      (time, 4) float32: x, y, z of the hand in metres, and 1 where it is open
    mask_primary               (time, height, width) uint8: 0 background, 1.. objects, then gripper and arm
    target_id                  (time,) uint8: which object of the masks is the red one
    object_color, object_shape (time, object) uint8: what each object is, as indices into COLOURS and SHAPES
    success                    (time,) bool: whether the red object is lifted by then
"""

import itertools

import numpy as np

from factory.act.scenes import ACTION_ENTRIES, hand_state, red_scenes, red_task
from factory.demo.tabletop_episodes import expert_steps
from factory.tabletop.expert import expert_action
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.state import State, concatenate, of_object, take
from octoscope.embedded.table_names import SHAPES
from octoscope.episodes.episode import Episode

DATASET = "tabletop_red"
# Far from the seeds of training and of the scores.
_FIRST_SEED = 6_000_000
# Of the first picture that the red object covers: where the arm hides it, there is little to see.
_LEAST_SEEN = 0.015


def record_episodes(renderer: TabletopRenderer, count: int) -> list[Episode]:
    """Returns the first episodes whose red object is in full view at first; each ends soon after it is lifted."""
    numbered = (record_episode(renderer, seed=seed) for seed in itertools.count(_FIRST_SEED))
    return list(itertools.islice(filter(_shows_red, numbered), count))


def _shows_red(episode: Episode) -> bool:
    return bool((episode.extras["mask_primary"][0] == episode.extras["target_id"][0]).mean() >= _LEAST_SEEN)


def record_episode(renderer: TabletopRenderer, *, seed: int) -> Episode:
    """Returns one episode."""
    start = red_scenes(np.random.default_rng(seed), 1)
    states, actions, reached = expert_steps(start, red_task(start))
    return _episode(renderer, concatenate(states), np.concatenate(actions), np.array(reached), name=f"{DATASET}/{seed}")


def first_moments(renderer: TabletopRenderer, *, count: int, seed: int) -> list[Episode]:
    """Returns fresh scenes as episodes of one step each, which all maps can be scored on."""
    scenes = red_scenes(np.random.default_rng(seed), count)
    actions, reached = expert_action(scenes, red_task(scenes)), np.zeros(1, bool)
    return [
        _episode(
            renderer, take(scenes, slice(row, row + 1)), actions[row : row + 1], reached, name=f"{DATASET}/{seed}.{row}"
        )
        for row in range(count)
    ]


def _episode(
    renderer: TabletopRenderer, states: State, actions: np.ndarray, reached: np.ndarray, *, name: str
) -> Episode:
    target = red_task(states).target
    return Episode(
        images={"primary": renderer.render(states, "primary")},
        # The policy takes no words; whoever compares it with one that does has them.
        instruction=f"pick up the red {SHAPES[of_object(states.shape, target)[0]]}",
        actions=actions[:, ACTION_ENTRIES].astype(np.float32),
        name=name,
        dataset=DATASET,
        extras={
            "state": hand_state(states),
            "mask_primary": renderer.segment(states, "primary"),
            "target_id": (target + 1).astype(np.uint8),
            "object_color": states.colour.astype(np.uint8),
            "object_shape": states.shape.astype(np.uint8),
            "success": reached,
        },
    )
