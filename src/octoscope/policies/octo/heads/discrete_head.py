"""Action heads that choose a bin for every dimension of every step of the chunk."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.policies.octo.heads.action_heads import Outputs, find_readout
from octoscope.policies.octo.network.bins import BinTokenizer
from octoscope.policies.octo.network.pooling import MAPHead


class DiscreteActionHead(nn.Module):
    """Logits over bins, read from as many readout tokens as `token_per` asks for."""

    readout_key: str
    use_map: bool = False
    token_per: str = "action_dim_and_action_horizon"
    action_horizon: int = 1
    action_dim: int = 7
    vocab_size: int = 256
    normalization_type: str = "uniform"

    @nn.compact
    def __call__(
        self, transformer_outputs: Outputs, train: bool = False
    ) -> Float[Array, "batch window horizon dim bin"]:
        """Returns the logits of every timestep.

        Raises:
          ValueError: If `token_per` is unknown, or the readout has another number of tokens.
        """
        tokens_per_action = {
            "": 1,
            "action_horizon": self.action_horizon,
            "action_dim_and_action_horizon": self.action_horizon * self.action_dim,
        }
        if self.token_per not in tokens_per_action:
            raise ValueError(f"`token_per` must be one of {list(tokens_per_action)}, got {self.token_per!r}.")
        count = tokens_per_action[self.token_per]
        group = find_readout(transformer_outputs, self.readout_key)
        tokens = group.tokens
        if self.use_map:
            tokens = MAPHead(num_readouts=count, name="map_head")(tokens, group.mask.astype(bool))
        if tokens.shape[-2] != count:
            raise ValueError(f"`{self.readout_key}` must have {count} tokens for this head, got {tokens.shape[-2]}.")
        outputs = self.action_horizon * self.action_dim * self.vocab_size // count
        logits = nn.Dense(outputs, name="vocab_proj")(tokens)
        return logits.reshape(*logits.shape[:2], self.action_horizon, self.action_dim, self.vocab_size)

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
        """Returns the middle of the likeliest bin (`argmax`) or of a drawn one, for the current timestep.

        Raises:
          ValueError: If bins are to be drawn and there is no `rng`.
        """
        logits = self(transformer_outputs)[:, -1]
        shape = (*sample_shape, *logits.shape[:-1])
        if argmax:
            ids = jnp.broadcast_to(jnp.argmax(logits, axis=-1), shape)
        else:
            if rng is None:
                raise ValueError("`rng` must be given to draw bins; pass a key, or argmax=True for the likeliest.")
            ids = jax.random.categorical(rng, logits / temperature, shape=shape)
        return BinTokenizer(self.vocab_size, self.normalization_type, parent=None).decode(ids)


class TokenPerDimActionHead(DiscreteActionHead):
    """One readout token per dimension and step of the chunk."""
