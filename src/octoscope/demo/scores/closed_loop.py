"""Success on scenes that training never showed, with right, reworded and wrong instructions."""

import jax
import numpy as np

from octoscope.demo.training.policy_shape import DATASET, WINDOW
from octoscope.octo.action_normalization import unnormalize_actions
from octoscope.octo.model import OctoModel
from octoscope.tabletop.evaluate import Evaluation, PolicyInput, PolicyStep, evaluate
from octoscope.tabletop.tasks import FAMILIES

# (name, wrong instruction, held-out wording)
SETTINGS = (("as trained", False, False), ("held-out wording", False, True), ("wrong instruction", True, False))


def policy_actor(model: OctoModel, *, seed: int, window: int = WINDOW) -> PolicyStep:
    """Returns a policy step for `evaluate`: the first action of a fresh chunk at each step."""
    statistics = model.action_statistics(DATASET)
    keys = iter(jax.random.split(jax.random.PRNGKey(seed), 1000))

    def act(seen: PolicyInput) -> np.ndarray:
        actions, _ = model.act(
            policy_observations(seen, window=window), model.create_tasks(texts=seen.instructions), rng=next(keys)
        )
        return np.asarray(unnormalize_actions(np.asarray(actions)[:, 0], statistics))

    return act


def policy_observations(seen: PolicyInput, *, window: int = WINDOW) -> dict:
    """Returns the policy's observations of many scenes at once, of the last `window` timesteps."""
    images = {"image_primary": seen.primary[:, -window:], "image_wrist": seen.wrist[:, -window:]}
    mask = seen.timestep_pad_mask[:, -window:]
    return {**images, "timestep_pad_mask": mask, "pad_mask_dict": {key: np.ones_like(mask) for key in images}}


def score_closed_loop(
    model: OctoModel, *, seeds: tuple[int, ...], episodes: int, window: int = WINDOW
) -> list[dict[str, object]]:
    """Returns one row per setting, family and seed: the shares of episodes with each outcome.

    Args:
      model: The policy.
      seeds: Of scenes, tasks and noise.
      episodes: Per row.
      window: Timesteps that the policy sees.
    """
    rows: list[dict[str, object]] = []
    for name, wrong, reworded in SETTINGS:
        for family in FAMILIES:
            for seed in seeds:
                found = evaluate(
                    policy_actor(model, seed=seed, window=window),
                    episodes=episodes,
                    family=family,
                    seed=seed,
                    wrong_instruction=wrong,
                    held_out_wording=reworded,
                    window=window,
                )
                rows.append({"setting": name, "family": family, "seed": seed, "episodes": episodes, **outcome(found)})
    return rows


def outcome(found: Evaluation) -> dict[str, float]:
    """Returns the shares of episodes that reached the named goal, reached the original one, touched the named object first."""
    return {
        "named_goal": found.success_rate,
        "original_goal": found.original_rate,
        "named_touched_first": found.touched_named_rate,
        "other_touched_first": found.touched_other_rate,
    }
