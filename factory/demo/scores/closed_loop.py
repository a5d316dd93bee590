"""Success on scenes that training never showed, with right, reworded and wrong instructions."""

from collections import deque

import jax
import numpy as np

from factory.demo.training.policy_shape import DATASET, WINDOW
from factory.tabletop.evaluate import Evaluation, PolicyInput, PolicyStep, evaluate
from factory.tabletop.training_data import HORIZON
from octoscope.embedded.table_names import FAMILIES
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.model import OctoModel

# (name, wrong instruction, held-out wording)
SETTINGS = (("as trained", False, False), ("held-out wording", False, True), ("wrong instruction", True, False))


def policy_actor(model: OctoModel, *, seed: int, window: int = WINDOW) -> PolicyStep:
    """Returns a policy step for `evaluate`, which must be used for one evaluation only.

    It acts as Octo's `TemporalEnsembleWrapper` with `exp_weight` 0: the mean of what the chunks of this and the last steps say about now.
    One draw of the diffusion head's noise then weighs less.
    """
    statistics = model.action_statistics(DATASET)
    keys = iter(jax.random.split(jax.random.PRNGKey(seed), 1000))
    chunks: deque[np.ndarray] = deque(maxlen=HORIZON)

    def act(seen: PolicyInput) -> np.ndarray:
        actions, _ = model.act(
            policy_observations(seen, window=window), model.create_tasks(texts=seen.instructions), rng=next(keys)
        )
        chunks.appendleft(np.asarray(unnormalize_actions(np.asarray(actions), statistics)))
        return np.mean([chunk[:, ahead] for ahead, chunk in enumerate(chunks)], axis=0)

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
