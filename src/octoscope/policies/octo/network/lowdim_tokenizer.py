"""Proprioception and other numbers as tokens: one token per number."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from octoscope.errors import ConfigError, ObservationError
from octoscope.policies.octo.network.bins import BinTokenizer
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.policies.octo.network.tokenizers import Inputs, left_out, matching_keys
from octoscope.tokens.token_source import TokenSource


class LowdimObsTokenizer(nn.Module):
    """Takes each number as it is, or as a one-hot bin. Numbers are never masked, whatever the pad mask says, as in the original."""

    n_bins: int = 256
    bin_type: str = "uniform"
    low: float | int = 0
    high: float | int = 1
    # Patterns (matched at the start of the key), in the order in which their observations are joined.
    obs_keys: Sequence[str] = ()
    discretize: bool = False
    proper_pad_mask: bool = True

    def __call__(self, observations: Inputs, tasks: Inputs | None = None, train: bool = False) -> TokenGroup | None:
        """Returns tokens (batch, window, number, 1 or n_bins), or None when no observation matches.

        Raises:
          ConfigError: If the config names no observation to read.
          ObservationError: If an observation is no row of numbers, or none matches and the config does not let it be left out.
        """
        if not self.obs_keys:
            raise ConfigError("A LowdimObsTokenizer in the config has no `obs_keys`: name the observations it reads.")
        # A key that two patterns match is read twice, as in the original.
        keys = [key for pattern in self.obs_keys for key in matching_keys(observations, [pattern])]
        if not keys:
            return left_out(self, f"observation matching {list(self.obs_keys)}", observations)
        for key in keys:
            if observations[key].ndim != 3:
                raise ObservationError(
                    f"observation '{key}' must have shape (batch, window, numbers), got {observations[key].shape}."
                )
        numbers = jnp.concatenate([observations[key] for key in keys], axis=-1)
        tokens = numbers[..., None]
        if self.discretize:
            bins = BinTokenizer(self.n_bins, self.bin_type, self.low, self.high, parent=None)
            tokens = jax.nn.one_hot(bins(numbers), self.n_bins)
        sizes = tuple(observations[key].shape[-1] for key in keys)
        return TokenGroup(tokens, jnp.ones(tokens.shape[:-1]), TokenSource("lowdim", tuple(keys), input_sizes=sizes))
