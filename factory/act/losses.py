"""What the embedded ACT is trained on: the expert's chunk through a conditional VAE, as the paper has it.

The paper's absolute error alone is content with the median, which is where a grip of 0 or 1 stays for long; so the squared error is added.

Reference: Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", RSS 2023, section IV.
https://arxiv.org/abs/2304.13705

Besides, the decoder's vectors are asked where in the picture the red object appears, which is what takes longest to learn. Which of the
encoder's tokens to look at for it is not taught: what the attention points at is the policy's own finding.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from factory.act.parameters import QUESTION, nested
from factory.act.shape import CAMERA_FEATURE, KL_WEIGHT, VAE_LAYERS
from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.encoder import ActInputs, EncoderTokens, run_encoder
from octoscope.policies.act.forward import act_forward
from octoscope.policies.act.stacks import AnyArray, hide_nothing
from octoscope.policies.parts.layers import dense

# Brightness and tint of a picture vary by these factors and parts of 1.
GAIN_SPREAD, TINT_SPREAD = 0.12, 0.03
PLACE_WEIGHT = 3.0


class Batch(NamedTuple):
    """Moments, normalised but for the picture."""

    # RGB, 0..255.
    primary: Array | np.ndarray
    hand: Array | np.ndarray
    actions: Array | np.ndarray
    # Where the red object appears, column and row from 0 to 1.
    place: Array | np.ndarray


class ImageStatistics(NamedTuple):
    """Of pictures in 0..1, by channel."""

    mean: Any
    std: Any


def training_loss(
    parameters: dict[str, Array],
    batch: Batch,
    rng: Array | None,
    *,
    config: ActConfig,
    statistics: ImageStatistics,
) -> tuple[Array, dict[str, Array]]:
    """Returns the loss and what it is made of.

    Args:
      parameters: By their names.
      batch: Moments.
      rng: Of colours and latents; None acts as the policy does: colours as they are, a latent of zeros.
      config: The network.
      statistics: What pictures are normalised with.
    """
    params = nested(parameters)
    pictures = jnp.asarray(batch.primary, jnp.float32) / 255.0
    latents, divergence = None, jnp.zeros(())
    if rng is not None:
        colors, draws = jax.random.split(rng)
        pictures = _jitter(pictures, colors)
        mean, log_variance = jax.vmap(lambda hand, actions: vae_latent(params, config, hand, actions))(
            batch.hand, batch.actions
        )
        latents = mean + jnp.exp(log_variance / 2) * jax.random.normal(draws, mean.shape)
        divergence = (-0.5 * (1 + log_variance - mean**2 - jnp.exp(log_variance))).sum(-1).mean()
    pictures = (pictures - statistics.mean) / statistics.std

    def act(picture: Array, hand: Array, latent: Array | None) -> tuple[Array, Array]:
        inputs = ActInputs({CAMERA_FEATURE: picture}, hand, None)
        cells = (picture.shape[0] // 16) * (picture.shape[1] // 16)
        hidden = hide_nothing(config, cells + len(config.plain_tokens))
        outputs = act_forward(params, config, inputs, hidden, latent=latent)
        return jnp.asarray(outputs.actions), dense(params[QUESTION], jnp.asarray(outputs.encodings.decoder)[-1].mean(0))

    actions, places = (
        jax.vmap(lambda picture, hand: act(picture, hand, None))(pictures, jnp.asarray(batch.hand))
        if latents is None
        else jax.vmap(act)(pictures, jnp.asarray(batch.hand), latents)
    )
    errors, place = jnp.abs(actions - batch.actions), jnp.abs(places - batch.place).mean()
    parts = {"error": errors.mean(), "first": errors[:, 0].mean(), "grip": errors[:, 0, 3].mean(), "place": place}
    loss = parts["error"] + (errors**2).mean() + PLACE_WEIGHT * place + KL_WEIGHT * divergence
    return loss, {**parts, "kl": divergence}


def vae_latent(
    params: Any, config: ActConfig, hand: Float[AnyArray, " number"], actions: Float[AnyArray, "horizon dim"]
) -> tuple[Float[Array, " latent"], Float[Array, " latent"]]:
    """Returns mean and logarithmic variance of the latent for a chunk of actions and the state that it begins in."""
    embeddings = jnp.concatenate(
        [
            params["vae_encoder_cls_embed"]["weight"],
            dense(params["vae_encoder_robot_state_input_proj"], jnp.asarray(hand)[None]),
            dense(params["vae_encoder_action_input_proj"], jnp.asarray(actions)),
        ]
    )
    tokens = EncoderTokens(embeddings, params["vae_encoder_pos_enc"][0])
    sizes = replace(config, encoder_layers=VAE_LAYERS)
    nothing = jnp.zeros((len(embeddings), len(embeddings)), bool)
    encoded = run_encoder(params["vae_encoder"], sizes, tokens, nothing, None)
    mean, log_variance = jnp.split(dense(params["vae_encoder_latent_output_proj"], encoded.embeddings[0]), 2)
    return mean, log_variance


def _jitter(pictures: Float[Array, "batch height width 3"], rng: Array) -> Float[Array, "batch height width 3"]:
    gains, tints = jax.random.split(rng)
    gain = 1 + GAIN_SPREAD * jax.random.normal(gains, (len(pictures), 1, 1, 1))
    tint = TINT_SPREAD * jax.random.normal(tints, (len(pictures), 1, 1, 3))
    return jnp.clip(pictures * gain + tint, 0.0, 1.0)
