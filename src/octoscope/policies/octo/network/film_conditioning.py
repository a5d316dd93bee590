"""FiLM: feature maps scaled and shifted, per channel, by the instruction.

Reference: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018. https://arxiv.org/abs/1709.07871
"""

import flax.linen as nn
from jaxtyping import Array, Float


class FilmConditioning(nn.Module):
    """Scales features by 1 + `Dense_0(cond)` and shifts them by `Dense_1(cond)`; changes nothing before training."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch row column channel"], cond: Float[Array, "batch cond"] | None
    ) -> Float[Array, "batch row column channel"]:
        """Returns the conditioned feature maps.

        Raises:
          ValueError: If there is nothing to condition on.
        """
        if cond is None:
            raise ValueError("An encoder with `use_film` must be given `cond_var`, got None.")
        zeros = nn.initializers.zeros
        # The original calls the first one "add", but it is the one that multiplies.
        scale = nn.Dense(x.shape[-1], kernel_init=zeros, bias_init=zeros)(cond)
        shift = nn.Dense(x.shape[-1], kernel_init=zeros, bias_init=zeros)(cond)
        return x * (1 + scale[:, None, None, :]) + shift[:, None, None, :]
