"""The U-Net diffusion head: an action chunk denoised along its horizon in a hundred steps, conditioned on the readout.

References: Chi et al., "Diffusion Policy", 2023, https://arxiv.org/abs/2303.04137; Ho, Jain & Abbeel, "Denoising Diffusion
Probabilistic Models", 2020, https://arxiv.org/abs/2006.11239, whose posterior mean (7) and two variances (3.2) are used here.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.errors import ConfigError, nearest
from octoscope.policies.octo.heads.action_heads import Outputs, find_readout, mean_pooled
from octoscope.policies.octo.heads.diffusion_head import cosine_betas
from octoscope.policies.octo.heads.unet import ConditionalUnet1D

_VARIANCES = ("fixed_large", "fixed_small")
# The original has the widths of its network written into the head.
_DOWN_FEATURES = (256, 512, 1024)


class UNetDDPMActionHead(nn.Module):
    """Denoises the chunks of all timesteps together with a U-Net over the horizon.

    Where the original cannot run, this does what its training does or says why not:

    - Sampling there only works for one example with a window of one timestep, because the diffusion step has the wrong axes.
      Here it is given to every example and timestep, as in training; for batch 1 and window 1 nothing changes.
    - Sampling there gives the chunks of all timesteps (`denoise_window`); the policy acts on the last, the current one.
    - `use_map` there has no pooling head to call, also when left out (its default is a tuple, which counts as true): refused.
    - `flatten_tokens` left out counts as true, for the same reason.
    - A horizon that is no multiple of 4 does not fit the network's two halvings: refused.
    """

    readout_key: str
    action_dim: int
    action_horizon: int
    use_map: bool | tuple[bool, ...] = (False,)
    flatten_tokens: bool | tuple[bool, ...] = (False,)
    timesteps: int = 100
    # Bounds the actions in training only; sampled ones are bounded by `clip_sample`.
    max_action: float | int = 1.0
    clip_sample: float | int | None = None
    # Noise of a reverse step: beta ("fixed_large"), or the posterior's variance ("fixed_small").
    variance_type: str = "fixed_large"

    def setup(self) -> None:
        """Makes the network and the noise schedule.

        Raises:
          ConfigError: If the original could not run with these arguments either.
        """
        if self.use_map:
            raise ConfigError(
                "A UNetDDPMActionHead must have `use_map` false, got "
                f"{self.use_map!r}: the original has no attention pooling in this head, and its default counts as true. "
                "Set `use_map` to false in the config, as it was when the head was trained."
            )
        if self.variance_type not in _VARIANCES:
            raise ConfigError(
                f"The `variance_type` of a UNetDDPMActionHead must be one of {', '.join(_VARIANCES)}, got "
                f"{self.variance_type!r}.{nearest(str(self.variance_type), _VARIANCES)}"
            )
        if self.action_horizon % 4:
            raise ConfigError(
                "The `action_horizon` of a UNetDDPMActionHead must be a multiple of 4, because its network halves the horizon "
                f"twice; got {self.action_horizon}."
            )
        self.model = ConditionalUnet1D(_DOWN_FEATURES)
        self.action_proj = nn.Dense(self.action_dim)
        self.alphas = 1 - cosine_betas(self.timesteps)
        self.alpha_hats = np.cumprod(self.alphas)

    def __call__(
        self,
        transformer_outputs: Outputs,
        time: Float[Array, "batch window 1"] | None = None,
        noisy_actions: Float[Array, "batch window horizon dim"] | None = None,
        train: bool = False,
    ) -> Float[Array, "batch window horizon dim"]:
        """Returns the predicted noise of every timestep's chunk.

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
            noisy_actions = jnp.zeros((*embedding.shape[:2], self.action_horizon, self.action_dim))
        return self.action_proj(self.model(embedding, noisy_actions, time))

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
        """Returns the normalised chunk of the current timestep, the last that `denoise_window` gives.

        Args:
          transformer_outputs: Groups by name.
          rng: Key of the noise.
          sample_shape: Leading axes of independent samples.
          embodiment_action_dim: Action dimensions the robot has; the rest stays noise.
          argmax: Without meaning here; for the official signature.
          temperature: Without meaning here; for the official signature.

        Raises:
          ValueError: If there is no `rng`.
        """
        chunks = self.denoise_window(
            transformer_outputs, rng, sample_shape=sample_shape, embodiment_action_dim=embodiment_action_dim
        )
        return chunks[..., -1, :, :]

    def denoise_window(
        self,
        transformer_outputs: Outputs,
        rng: Array | None,
        *,
        sample_shape: tuple[int, ...] = (),
        embodiment_action_dim: int | None = None,
    ) -> Float[Array, "*sample batch window horizon dim"]:
        """Returns the normalised chunks of all timesteps, which is what the original's sampling gives; see `predict_action`.

        One draw of noise covers all samples, examples and timesteps, so the chunks depend on the window's length.

        Raises:
          ValueError: If there is no `rng`.
        """
        if rng is None:
            raise ValueError(
                "`rng` must be given to a diffusion head, got None; pass a key such as jax.random.PRNGKey(0)."
            )
        # Samples are further examples to the network, whose norms mix all axes but the first.
        embedding = self._embed(transformer_outputs)
        samples = int(np.prod(sample_shape, dtype=int))
        embeddings = jnp.tile(embedding, (samples, 1, 1))
        used = np.arange(self.action_dim) < (
            self.action_dim if embodiment_action_dim is None else embodiment_action_dim
        )
        # A bound Flax module may not be called inside jax's own loops.
        network, variables = self.model.unbind()
        projection, projection_variables = self.action_proj.unbind()

        def predict_noise(chunks: Array, step: Array) -> Array:
            time = jnp.full((*chunks.shape[:2], 1), step, jnp.float32)
            features: Array = network.apply(variables, embeddings, chunks, time)  # pyright: ignore[reportAssignmentType]
            return jnp.asarray(projection.apply(projection_variables, features))

        carry, key = jax.random.split(rng)
        shape = (samples * embedding.shape[0], embedding.shape[1], self.action_horizon, self.action_dim)
        noise = jax.random.normal(key, shape)
        chunks = self._denoise(predict_noise, noise, carry, used)
        return chunks.reshape(*sample_shape, *embedding.shape[:2], *shape[2:])

    def _embed(self, transformer_outputs: Outputs) -> Float[Array, "batch window embed"]:
        group = find_readout(transformer_outputs, self.readout_key)
        if self.flatten_tokens:
            return group.tokens.reshape(*group.tokens.shape[:2], -1)
        return mean_pooled(group)

    def _denoise(
        self, predict_noise: Callable[[Array, Array], Array], noise: Array, carry: Array, used: np.ndarray
    ) -> Float[Array, "batch window horizon dim"]:
        alphas, alpha_hats = jnp.asarray(self.alphas), jnp.asarray(self.alpha_hats)

        def reverse_step(state: tuple[Array, Array], step: Array) -> tuple[tuple[Array, Array], None]:
            chunks, carry = state
            alpha, alpha_hat = alphas[step], alpha_hats[step]
            alpha_hat_before = jnp.where(step > 0, alpha_hats[step - 1], 1.0)
            clean = (chunks - jnp.sqrt(1 - alpha_hat) * predict_noise(chunks, step)) / jnp.sqrt(alpha_hat)
            if self.clip_sample is not None:
                clean = jnp.clip(clean, -self.clip_sample, self.clip_sample)
            mean = (
                jnp.sqrt(alpha_hat_before) * (1 - alpha) / (1 - alpha_hat) * clean
                + jnp.sqrt(alpha) * (1 - alpha_hat_before) / (1 - alpha_hat) * chunks
            )
            variance = self._variance(alpha, alpha_hat, alpha_hat_before)
            carry, key = jax.random.split(carry)
            z = jax.random.normal(key, chunks.shape)
            chunks = mean + jnp.sqrt(jnp.where(step > 0, variance, 0.0)) * z
            # Dimensions the robot lacks hold the noise that training saw there.
            return (jnp.where(used, chunks, jnp.sqrt(1 - alpha_hat) * z), carry), None

        steps = jnp.arange(self.timesteps - 1, -1, -1)
        (chunks, _), _ = jax.lax.scan(reverse_step, (noise, carry), steps)
        return chunks

    def _variance(self, alpha: Array, alpha_hat: Array, alpha_hat_before: Array) -> Array:
        if self.variance_type == "fixed_large":
            return 1 - alpha
        return jnp.maximum((1 - alpha_hat_before) / (1 - alpha_hat) * (1 - alpha), 1e-20)
