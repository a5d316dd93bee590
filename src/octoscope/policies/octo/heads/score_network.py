"""The network that predicts the noise in an action chunk, from (diffusion time, readout, noisy chunk).

Reference: the score network of Hansen-Estruch et al., "IDQL", 2023, https://arxiv.org/abs/2304.10573. The class names are part of the
parameter tree.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class FourierFeatures(nn.Module):
    """Learned sines and cosines of the diffusion time."""

    output_size: int

    @nn.compact
    def __call__(self, time: Float[Array, "*batch 1"]) -> Float[Array, "*batch features"]:
        """Returns cosines, then sines."""
        kernel = self.param("kernel", nn.initializers.normal(0.2), (self.output_size // 2, time.shape[-1]))
        f = 2 * jnp.pi * time @ kernel.T
        return jnp.concatenate([jnp.cos(f), jnp.sin(f)], axis=-1)


class MLP(nn.Module):
    """Dense layers with swish between them, none after the last."""

    sizes: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch entries"]) -> Float[Array, "*batch features"]:
        """Returns the last layer's output."""
        for i, size in enumerate(self.sizes):
            x = nn.Dense(size, name=f"Dense_{i}")(nn.swish(x) if i else x)
        return x


class MLPResNetBlock(nn.Module):
    """A residual block of two dense layers."""

    features: int
    use_layer_norm: bool

    @nn.compact
    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Returns the block's output."""
        y = nn.LayerNorm()(x) if self.use_layer_norm else x
        y = nn.Dense(4 * self.features)(y)
        return x + nn.Dense(self.features)(nn.swish(y))


class MLPResNet(nn.Module):
    """The network that predicts the noise from (time, readout, noisy actions)."""

    num_blocks: int
    out_dim: int
    hidden_dim: int
    use_layer_norm: bool

    @nn.compact
    def __call__(self, x: Float[Array, "*batch entries"]) -> Float[Array, "*batch out_dim"]:
        """Returns the predicted noise."""
        x = nn.Dense(self.hidden_dim)(x)
        for _ in range(self.num_blocks):
            x = MLPResNetBlock(self.hidden_dim, self.use_layer_norm)(x)
        return nn.Dense(self.out_dim)(nn.swish(x))


class ScoreActor(nn.Module):
    """Predicts the noise in a noisy action chunk."""

    time_dim: int
    num_blocks: int
    hidden_dim: int
    use_layer_norm: bool
    out_dim: int

    @nn.compact
    def __call__(
        self,
        embedding: Float[Array, "batch window embed"],
        noisy_actions: Float[Array, "*sample batch window entries"],
        time: Float[Array, "*sample batch window 1"],
    ) -> Float[Array, "*sample batch window entries"]:
        """Returns the predicted noise; `embedding` is broadcast over leading sample axes."""
        condition = FourierFeatures(self.time_dim, name="time_preprocess")(time)
        condition = MLP((2 * self.time_dim, self.time_dim), name="cond_encoder")(condition)
        embedding = jnp.broadcast_to(embedding, (*noisy_actions.shape[:-1], embedding.shape[-1]))
        network = MLPResNet(self.num_blocks, self.out_dim, self.hidden_dim, self.use_layer_norm, name="reverse_network")
        return network(jnp.concatenate([condition, embedding, noisy_actions], axis=-1))


def split_score(
    network: ScoreActor, params: Mapping[str, Any], embedding: Float[Array, "batch window embed"]
) -> Callable[[Array, Array], Array]:
    """Returns (noisy actions, time) -> predicted noise, for one embedding; equal to the network's own to rounding.

    The first layer reads three things side by side: its kernel is cut between them, what the embedding adds is computed here, once, and
    what the time adds is the same for all chunks of a diffusion step. At octo-small's size that is 6 % of the network's products.
    """
    layers = params["reverse_network"]
    first = layers["Dense_0"]
    on_time, on_embedding, on_actions = jnp.split(
        first["kernel"], (network.time_dim, network.time_dim + embedding.shape[-1])
    )
    given = embedding @ on_embedding + first["bias"]
    # No parent: they are called with the parameters cut out, and belong to no module.
    fourier = FourierFeatures(network.time_dim, parent=None)
    encoder = MLP((2 * network.time_dim, network.time_dim), parent=None)
    block = MLPResNetBlock(network.hidden_dim, network.use_layer_norm, parent=None)
    last = nn.Dense(network.out_dim, parent=None)

    def score(noisy_actions: Array, time: Array) -> Array:
        features = fourier.apply({"params": params["time_preprocess"]}, time)
        condition: Any = encoder.apply({"params": params["cond_encoder"]}, features)
        x: Any = given + condition @ on_time + noisy_actions @ on_actions
        for number in range(network.num_blocks):
            x = block.apply({"params": layers[f"MLPResNetBlock_{number}"]}, x)
        return jnp.asarray(last.apply({"params": layers["Dense_1"]}, nn.swish(x)))

    return score
