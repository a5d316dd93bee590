"""The diffusion action head: an action chunk denoised in a few steps, conditioned on the readout.

References: Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", 2020, https://arxiv.org/abs/2006.11239; cosine schedule
from Nichol & Dhariwal, 2021, https://arxiv.org/abs/2102.09672.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from octoscope.policies.octo.heads.action_heads import Outputs, attention_pooled, find_readout, mean_pooled
from octoscope.policies.octo.heads.score_network import ScoreActor, split_score
from octoscope.policies.octo.network.pooling import MAPHead


def cosine_betas(steps: int) -> Float32[np.ndarray, " steps"]:
    """Returns the noise variances of the cosine schedule, each at most 0.999."""
    s = 0.008
    t = np.linspace(0, steps, steps + 1) / steps
    alpha_bar = np.cos((t + s) / (1 + s) * np.pi / 2) ** 2
    alpha_bar = alpha_bar / alpha_bar[0]
    return np.clip(1 - alpha_bar[1:] / alpha_bar[:-1], 0, 0.999).astype(np.float32)


class DiffusionActionHead(nn.Module):
    """Denoises a whole action chunk from noise; all timesteps of the window are denoised together, the last is taken."""

    readout_key: str
    use_map: bool = False
    action_horizon: int = 1
    action_dim: int = 7
    max_action: float = 5.0
    loss_type: str = "mse"
    time_dim: int = 32
    num_blocks: int = 3
    dropout_rate: float = 0.0
    hidden_dim: int = 256
    use_layer_norm: bool = True
    diffusion_steps: int = 20
    n_diffusion_samples: int = 1

    def setup(self) -> None:
        """Makes the score network and the noise schedule."""
        self.diffusion_model = ScoreActor(
            self.time_dim,
            self.num_blocks,
            self.hidden_dim,
            self.use_layer_norm,
            self.action_horizon * self.action_dim,
        )
        self.map_head = MAPHead() if self.use_map else None
        self.betas = cosine_betas(self.diffusion_steps)
        self.alphas = 1 - self.betas
        self.alpha_hats = np.cumprod(self.alphas)

    def __call__(
        self,
        transformer_outputs: Outputs,
        time: Float[Array, "*sample batch window 1"] | None = None,
        noisy_actions: Float[Array, "*sample batch window entries"] | None = None,
        train: bool = False,
    ) -> Float[Array, "*sample batch window entries"]:
        """Returns the predicted noise for chunks flattened to horizon * dim entries.

        Args:
          transformer_outputs: Groups by name.
          time: Diffusion step 0..T-1, as float; zeros while the parameters are initialised.
          noisy_actions: Normalised chunks with noise; zeros while the parameters are initialised.
          train: Kept for the official signature.
        """
        embedding = self._embed(transformer_outputs)
        if time is None or noisy_actions is None:
            assert self.is_initializing(), "only initialisation may leave out time and noisy_actions"
            time = jnp.zeros((*embedding.shape[:2], 1))
            noisy_actions = jnp.zeros((*embedding.shape[:2], self.action_horizon * self.action_dim))
        return self.diffusion_model(embedding, noisy_actions, time)

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
        """Returns normalised action chunks of the current timestep, each entry in +-`max_action`.

        Args:
          transformer_outputs: Groups by name.
          rng: Key of the noise. One draw covers all samples, examples and timesteps, so actions depend on the window's length.
          sample_shape: Leading axes of independent samples.
          embodiment_action_dim: Action dimensions the robot has; the rest stays noise.
          argmax: Without meaning here; for the official signature.
          temperature: Without meaning here; for the official signature.

        Raises:
          ValueError: If there is no `rng`.
        """
        embedding = self._embed(transformer_outputs)
        # A bound Flax module may not be called inside jax's own loops.
        network, variables = self.diffusion_model.unbind()

        def predict_noise(actions: Array, time: Array) -> Array:
            predicted = network.apply(variables, embedding, actions, time)
            return jnp.asarray(predicted)

        return self._sample(predict_noise, (*sample_shape, *embedding.shape[:2]), rng, embodiment_action_dim)

    def predict_current(
        self, transformer_outputs: Outputs, rng: Array | None, *, embodiment_action_dim: int | None = None
    ) -> Float[Array, "batch horizon dim"]:
        """Returns the chunk that `predict_action` returns, to rounding, and does less: for many readouts and one noise.

        The score network takes each timestep by itself and only the last is read, so it runs for that one alone; and what the readout
        adds to its first layer is computed once, not at every diffusion step. The noise is drawn for all timesteps, as there.

        Args:
          transformer_outputs: Groups by name.
          rng: Key of the noise.
          embodiment_action_dim: Action dimensions the robot has; the rest stays noise.

        Raises:
          ValueError: If there is no `rng`.
        """
        embedding = self._embed(transformer_outputs)
        network, variables = self.diffusion_model.unbind()
        score = split_score(network, variables["params"], embedding[:, -1:])

        def predict_noise(actions: Array, time: Array) -> Array:
            last = score(actions[..., -1:, :], time[..., -1:, :])
            return jnp.zeros_like(actions).at[..., -1:, :].set(last)

        return self._sample(predict_noise, embedding.shape[:2], rng, embodiment_action_dim)

    def _sample(
        self,
        predict_noise: Callable[[Array, Array], Array],
        leading: tuple[int, ...],
        rng: Array | None,
        embodiment_action_dim: int | None,
    ) -> Float[Array, "*sample batch horizon dim"]:
        """Denoises chunks of all timesteps, with leading (*sample, batch, window), and returns the last one's."""
        if rng is None:
            raise ValueError(
                "`rng` must be given to a diffusion head, got None; pass a key such as jax.random.PRNGKey(0)."
            )
        shape = (*leading, self.action_horizon * self.action_dim)
        used = np.arange(self.action_dim) < (embodiment_action_dim or self.action_dim)
        used = np.tile(used, self.action_horizon)
        carry, key = jax.random.split(rng)
        noise = jax.random.normal(key, shape)

        def denoise(state: tuple[Array, Array], step: Array) -> tuple[tuple[Array, Array], None]:
            actions, carry = state
            return self._denoise_step(predict_noise, actions, carry, step, used), None

        steps = jnp.arange(self.diffusion_steps - 1, -1, -1)
        (actions, _), _ = jax.lax.scan(denoise, (noise, carry), steps)
        actions = actions.reshape(*actions.shape[:-1], self.action_horizon, self.action_dim)
        return actions[..., -1, :, :]

    def _embed(self, transformer_outputs: Outputs) -> Float[Array, "batch window embed"]:
        group = find_readout(transformer_outputs, self.readout_key)
        return mean_pooled(group) if self.map_head is None else attention_pooled(self.map_head, group)

    def _denoise_step(
        self,
        predict_noise: Callable[[Array, Array], Array],
        actions: Array,
        carry: Array,
        step: Array,
        used: np.ndarray,
    ) -> tuple[Array, Array]:
        alpha, beta, alpha_hat = (jnp.asarray(a)[step] for a in (self.alphas, self.betas, self.alpha_hats))
        time = jnp.broadcast_to(step.astype(jnp.float32), (*actions.shape[:-1], 1))
        predicted = predict_noise(actions, time)
        actions = (actions - (1 - alpha) / jnp.sqrt(1 - alpha_hat) * predicted) / jnp.sqrt(alpha)
        carry, key = jax.random.split(carry)
        z = jax.random.normal(key, actions.shape)
        actions = actions + (step > 0) * jnp.sqrt(beta) * z
        actions = jnp.clip(actions, -self.max_action, self.max_action)
        return jnp.where(used, actions, jnp.sqrt(1 - alpha_hat) * z), carry
