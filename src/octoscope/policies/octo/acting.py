"""How Octo acts over a dataset: which head, under which noise, in which units."""

import weakref
from collections.abc import Mapping

import jax
import numpy as np

from octoscope.array_typing import Bool
from octoscope.errors import SelectionError
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.noise import Noise
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.model import OctoModel

# Folded into the key of a step, it leads to the keys of its other draws of noise ("draw" as a number).
_DRAWS = 0x64726177
# Hashing a large checkpoint takes seconds; over a whole dataset once is enough.
_DIGESTS: weakref.WeakKeyDictionary[OctoModel, str] = weakref.WeakKeyDictionary()


def acting_head(model: OctoModel) -> str:
    """Returns the head whose actions a run holds: "action", or the first of a policy that has no such head."""
    return "action" if "action" in model.module.heads else next(iter(model.module.heads))


def policy_digest(model: OctoModel) -> str:
    """Returns the SHA-256 of the policy's parameter file."""
    if model not in _DIGESTS:
        _DIGESTS[model] = model.checkpoint.digest()
    return _DIGESTS[model]


def noise_key(noise: Noise) -> jax.Array:
    """Returns the key of a step's noise, or that of another draw of noise for the same step.

    No draw of any seed is what another seed acts under: draws branch off behind the step, far from the numbers that a head folds in.

    >>> bool((noise_key(Noise(0, 3, 1)) == noise_key(Noise(1, 3))).all())
    False
    """
    key = jax.random.fold_in(jax.random.PRNGKey(noise.seed), noise.step)
    return key if noise.draw == 0 else jax.random.fold_in(jax.random.fold_in(key, _DRAWS), noise.draw - 1)


def robot_statistics(
    model: OctoModel, dataset: str, *, kind: NormalizationType | None = None
) -> Mapping[str, np.ndarray] | None:
    """Returns a dataset's action statistics; None where the policy has none, or none that fit its head: actions stay normalised.

    Raises:
      CheckpointError: If the policy has some that cannot be right.
      ConfigError: If its config names a normalisation that is not known.
    """
    try:
        statistics = model.action_statistics(dataset, normalization_type=kind)
    except SelectionError:
        return None
    # Statistics of more dimensions than the head predicts are another robot's.
    predicted = model.module.heads[acting_head(model)].action_dim
    return statistics if action_dimensions(statistics) <= predicted else None


def octo_action_space(model: OctoModel, dataset: str, *, kind: NormalizationType | None = None) -> ActionSpace:
    """Returns what Octo's actions are over a dataset.

    Args:
      model: The policy.
      dataset: Whose statistics bring actions to the robot's units.
      kind: How that dataset was normalised; by default as the config says.

    Raises:
      CheckpointError: If the policy has statistics that cannot be right.
      ConfigError: If its config names a normalisation that is not known.
    """
    head = model.module.heads[acting_head(model)]
    statistics = robot_statistics(model, dataset, kind=kind)
    if statistics is None:
        moves = np.ones(head.action_dim, bool)
        return ActionSpace(
            head.action_horizon, head.action_dim, moves, dataset=dataset, note=_why_normalized(model, dataset, kind)
        )
    dimensions, known = action_dimensions(statistics), kind or normalization_type(model.config)
    return ActionSpace(
        head.action_horizon,
        dimensions,
        moving_dimensions(statistics, kind=known),
        lambda actions: np.asarray(unnormalize_actions(actions, statistics, known)),
        more=head.action_dim - dimensions,
        dataset=dataset,
    )


def moving_dimensions(
    statistics: Mapping[str, np.ndarray], *, kind: NormalizationType = NormalizationType.NORMAL
) -> Bool[np.ndarray, " dim"]:
    """Returns False for the dimensions that a dataset never moves: what a policy says about them is never carried out.

    >>> moving_dimensions({"mean": np.zeros(2), "std": np.array([1.0, 0.0])})
    array([ True, False])
    """
    bounds = kind == NormalizationType.BOUNDS
    spread = np.subtract(statistics["p99"], statistics["p01"]) if bounds else np.asarray(statistics["std"])
    moves = spread > 0
    return moves if moves.any() else np.ones(len(moves), bool)


def _why_normalized(model: OctoModel, dataset: str, kind: NormalizationType | None) -> str:
    try:
        statistics = model.action_statistics(dataset, normalization_type=kind)
    except SelectionError as error:
        return str(error)
    head = acting_head(model)
    return (
        f"The action statistics of '{dataset}' have {action_dimensions(statistics)} "
        f"dimensions, but the policy's head '{head}' predicts {model.module.heads[head].action_dim}: they belong to another robot."
    )
