"""What the action owes to the readout's own attention: gradients with respect to it, and keys knocked out of it.

Both cost a fraction of one forward, because nothing but the readout reads the readout: see `octo.readout_rows`. Both are exact for the
DIRECT path alone, what reaches the action through the readout's own attention. What other tokens gathered from a patch in earlier
layers is left as it was, so a patch that does nothing here may still matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float32
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.readout.readout_row import ReadoutRow
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class ReadoutGradients:
    """How the chosen entries of the action change with each weight of the readout's attention; direct path only."""

    # d(action entry) / d(weight): weights are moved one by one after the softmax, and later layers follow.
    gradients: Float32[np.ndarray, "layer head query key"]
    # The attention itself, from the forward that acted.
    weights: Float32[np.ndarray, "layer head query key"]
    # Normalised.
    actions: Float32[np.ndarray, "horizon dim"]
    layout: TokenLayout


@dataclass(frozen=True, eq=False)
class KnockedOut:
    """Normalised actions with sets of keys hidden from the readout, beside those with all keys; direct path only."""

    actions: Float32[np.ndarray, "set horizon dim"]
    unchanged: Float32[np.ndarray, "horizon dim"]
    layout: TokenLayout


def readout_gradients(
    model: OctoModel,
    observations: Mapping[str, Any],
    tasks: Mapping[str, Any],
    *,
    horizon_step: int | None = 0,
    dimension: int | None = None,
    rng: Array | None = None,
    head: str | None = None,
) -> ReadoutGradients:
    """Returns how an entry of the action changes with each attention weight of the current readout: all layers, heads and keys.

    Exact for the DIRECT path only: the attention of all other tokens is held fixed. The action is the denoised, normalised one with
    the noise of `rng`; where it is clipped at the head's bound, the gradient is zero. Costs one forward, and about an eighth of one
    for the gradients; for many entries of one forward use `ReadoutRow.keep` and its `gradients`.

    Args:
      model: The policy.
      observations: One example: arrays with leading (1, window), and `timestep_pad_mask`.
      tasks: From `create_tasks`, batch 1.
      horizon_step: Which step of the chunk; the sum over all with None.
      dimension: Which dimension of the action; the sum over all with None.
      rng: Key of the head's noise; jax.random.PRNGKey(0) by default.
      head: Which action head; "action" by default.

    Raises:
      ObservationError: If a shape is not what the policy was made for, or there is more than one example.
      SelectionError: If the chunk has no such entry, the head chooses bins, or other tokens read the readout.

    >>> import octoscope as osc
    >>> model = osc.OctoModel.load_pretrained("drawn")
    >>> found = osc.readout_gradients(model, model.example_batch["observation"], model.example_batch["task"], dimension=2)
    >>> found.gradients.shape
    (3, 4, 1, 198)
    """
    row = ReadoutRow.keep(model, observations, tasks, rng=rng, head=head)
    gradients = row.gradients(horizon_step=horizon_step, dimension=dimension)
    return ReadoutGradients(gradients, row.weights, row.actions, row.layout)


def knock_out_keys(
    model: OctoModel,
    observations: Mapping[str, Any],
    tasks: Mapping[str, Any],
    sets: Bool[np.ndarray, "set key"],
    *,
    layers: Sequence[int] | None = None,
    rng: Array | None = None,
    head: str | None = None,
) -> KnockedOut:
    """Returns the actions with each set of keys hidden from the current readout's attention.

    A hidden key is masked before the softmax, so the weights of the remaining keys grow to sum to 1 again: they are renormalised.
    Exact for the DIRECT path only: other tokens still look at the hidden keys, and the readout at those tokens. After Geva et al.,
    "Dissecting Recall of Factual Associations", 2023 (attention knockout), https://arxiv.org/abs/2304.14767, there for a few layers
    around one, here for all unless `layers` says otherwise.

    Args:
      model: The policy.
      observations: One example: arrays with leading (1, window), and `timestep_pad_mask`.
      tasks: From `create_tasks`, batch 1.
      sets: True where a set holds a key; keys are places in the sequence, as `layout.select` gives them.
      layers: Layers in which the keys are hidden; all by default.
      rng: Key of the head's noise, the same for every set; jax.random.PRNGKey(0) by default.
      head: Which action head; "action" by default.

    Raises:
      ObservationError: If a shape is not what the policy was made for, or there is more than one example.
      SelectionError: If the matrix does not fit the sequence, a layer does not exist, a set leaves nothing to look at, or other
        tokens read the readout.

    >>> import octoscope as osc
    >>> model = osc.OctoModel.load_pretrained("drawn")
    >>> observation, task = model.example_batch["observation"], model.example_batch["task"]
    >>> layout = model.token_layout(observation, task)
    >>> sets = np.eye(layout.size, dtype=bool)[layout.select("obs_primary", timestep=-1)]  # each patch alone
    >>> osc.knock_out_keys(model, observation, task, sets).actions.shape  # (set, horizon, dim)
    (64, 4, 7)
    """
    row = ReadoutRow.keep(model, observations, tasks, rng=rng, head=head)
    return KnockedOut(row.knock_out(sets, layers=layers), row.actions, row.layout)
