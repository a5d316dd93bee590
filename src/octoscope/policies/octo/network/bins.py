"""Numbers into bins and back."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_EPSILON = 1e-6


class BinTokenizer(nn.Module):
    """Maps numbers to the bin they fall into: bins of equal width ("uniform"), or equally likely under a standard normal ("normal")."""

    n_bins: int = 256
    bin_type: str = "uniform"
    low: float | int = 0
    high: float | int = 1

    def thresholds(self) -> Float[Array, " edges"]:
        """Returns the n_bins + 1 edges, ascending.

        Raises:
          ValueError: If the bin type is unknown.
        """
        if self.bin_type == "uniform":
            return jnp.linspace(self.low, self.high, self.n_bins + 1)
        if self.bin_type == "normal":
            return jax.scipy.stats.norm.ppf(jnp.linspace(_EPSILON, 1 - _EPSILON, self.n_bins + 1))
        raise ValueError(f"`bin_type` must be 'uniform' or 'normal', got {self.bin_type!r}.")

    def __call__(self, values: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Returns bin ids; a value beyond the normal bins falls into bin 0, as in the original."""
        if self.bin_type == "uniform":
            values = jnp.clip(values, self.low + _EPSILON, self.high - _EPSILON)
        edges = self.thresholds()
        inside = (edges[:-1] <= values[..., None]) & (values[..., None] < edges[1:])
        return jnp.argmax(inside, axis=-1)

    def decode(self, ids: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Returns the middle of each bin."""
        edges = self.thresholds()
        return ((edges[:-1] + edges[1:]) / 2)[ids]
