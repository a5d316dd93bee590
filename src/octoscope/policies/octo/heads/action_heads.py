"""Action heads that predict in one pass: the readout's encoding in, an action chunk out."""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.errors import ConfigError, nearest
from octoscope.policies.octo.network.pooling import MAPHead
from octoscope.policies.octo.network.token_group import TokenGroup

Outputs = Mapping[str, TokenGroup]


class ContinuousActionHead(nn.Module):
    """A linear map from the pooled readout, squashed to +-`max_action`."""

    readout_key: str
    use_map: bool = False
    action_horizon: int = 1
    action_dim: int = 7
    max_action: float = 5.0
    loss_type: str = "mse"

    @nn.compact
    def __call__(self, transformer_outputs: Outputs, train: bool = False) -> Float[Array, "batch window horizon dim"]:
        """Returns the normalised action chunk of every timestep."""
        group = find_readout(transformer_outputs, self.readout_key)
        embedding = attention_pooled(MAPHead(name="map_head"), group) if self.use_map else mean_pooled(group)
        mean = nn.Dense(self.action_horizon * self.action_dim, name="mean_proj")(embedding)
        mean = mean.reshape(*mean.shape[:-1], self.action_horizon, self.action_dim)
        return jnp.tanh(mean / self.max_action) * self.max_action

    def predict_action(
        self,
        transformer_outputs: Outputs,
        rng: Array | None = None,
        *,
        sample_shape: tuple[int, ...] = (),
        embodiment_action_dim: int | None = None,
        argmax: bool = False,
        temperature: float = 1.0,
    ) -> Float[Array, "*sample batch horizon dim"]:
        """Returns the chunk of the current timestep; nothing is random here, so all samples are alike."""
        mean = self(transformer_outputs)[:, -1]
        return jnp.broadcast_to(mean, (*sample_shape, *mean.shape))


class MSEActionHead(ContinuousActionHead):
    """A continuous head trained on squared error, pooling by attention."""

    use_map: bool = True


class L1ActionHead(ContinuousActionHead):
    """A continuous head trained on absolute error, pooling by attention."""

    use_map: bool = True
    loss_type: str = "l1"


def find_readout(transformer_outputs: Outputs, readout_key: str) -> TokenGroup:
    """Returns the group that a head reads, with leading (batch, window).

    Raises:
      ConfigError: If the sequence has no such group at each timestep.
    """
    names = [name for name, group in transformer_outputs.items() if group.tokens.ndim == 4]
    if readout_key not in names:
        raise ConfigError(
            f"A head reads '{readout_key}', but these inputs make no such group at each timestep.{nearest(readout_key, names)} "
            f"There are: {', '.join(names)}."
        )
    return transformer_outputs[readout_key]


def mean_pooled(group: TokenGroup) -> Float[Array, "batch window embed"]:
    """Returns the plain mean of a group's tokens at each timestep; like the original, it ignores the pad mask."""
    return jnp.mean(group.tokens, axis=-2)


def attention_pooled(map_head: MAPHead, group: TokenGroup) -> Float[Array, "batch window embed"]:
    """Returns a group's tokens pooled by one attending probe, which sees no padding."""
    return map_head(group.tokens, group.mask.astype(bool))[..., 0, :]
