"""What the embedded policy is trained on: the expert's actions, and where things are.

The diffusion loss is that of the official program (Ho et al., 2020). Beside it, from the readout, a linear layer predicts the
same actions by mean squared error: its gradient has less noise. Auxiliary losses ask the image tokens which of them holds the
object to go to and where in its cell, and the readout for the state of hand and objects. They teach pointing in part, which
every score of pointing must say; `auxiliary=False` trains without them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.stems import SmallStem

PATCH_WEIGHT, CELL_WEIGHT, STATE_WEIGHT = 0.1, 0.5, 0.5
# Draws of diffusion time and noise per example: the score network is small, so they are cheap.
DIFFUSION_DRAWS = 4
# Brightness and tint vary by these factors and levels of 255.
GAIN_SPREAD, TINT_SPREAD = 0.15, 10.0


@dataclass(frozen=True)
class Targets:
    """What the policy should say, per example and timestep of the window."""

    # Normalised, flattened.
    actions: Float[Array | np.ndarray, "batch window entries"]
    # The patch of the primary picture that holds the object to go to, and that object's place in it, from 0 to 1.
    patch: Int[Array | np.ndarray, "batch window"]
    cell: Float[Array | np.ndarray, "batch window 2"]
    state: Float[Array | np.ndarray, "batch window fact"]
    # 1 where the timestep is real.
    real: Float[Array | np.ndarray, "batch window"]


jax.tree_util.register_dataclass(Targets, ["actions", "patch", "cell", "state", "real"], [])


class Teacher(nn.Module):
    """Linear layers that ask; thrown away after training."""

    entries: int
    facts: int

    @nn.compact
    def __call__(
        self, readout: Float[Array, "batch window embed"], patches: Float[Array, "batch window patch embed"]
    ) -> tuple[Array, Array, Array, Array]:
        """Returns actions, the logit of each patch, the place within each patch's cell, and the state."""
        actions = nn.Dense(self.entries, name="actions")(readout)
        place = nn.Dense(3, name="place")(patches)
        facts = nn.Dense(self.facts, name="state")(nn.gelu(nn.Dense(128, name="hidden")(readout)))
        return actions, place[..., 0], place[..., 1:], facts


def training_loss(
    params: Any,
    *,
    module: OctoModule,
    teacher: Teacher,
    batch: dict[str, Any],
    rng: Array,
    auxiliary: bool,
    jitter: bool = True,
) -> tuple[Array, dict[str, Array]]:
    """Returns the loss and what it is made of.

    Args:
      params: {"policy": ..., "teacher": ...}.
      module: The policy.
      teacher: The layers that ask.
      batch: "observations", "tasks" and "targets".
      rng: Of colour jitter, diffusion times and noise.
      auxiliary: Whether to ask for places and states.
      jitter: Whether to vary the colours.
    """
    targets: Targets = batch["targets"]
    color, times, noises = jax.random.split(rng, 3)
    observations = jitter_colors(batch["observations"], color) if jitter else batch["observations"]
    frames, examples = len(observations["image_primary"]), len(targets.actions)
    draws = (DIFFUSION_DRAWS, *targets.actions.shape[:2])
    time = jax.random.randint(times, (*draws, 1), 0, module.heads["action"].diffusion_steps)
    noise = jax.random.normal(noises, (*draws, targets.actions.shape[-1]))
    repeated = {key: _repeat(value, examples // frames) for key, value in observations.items() if "image" in key}
    with nn.intercept_methods(_encode_once(examples // frames, targets.actions.shape[1])):
        answer: Any = module.apply(
            {"params": params["policy"]},
            {**observations, **repeated},
            batch["tasks"],
            observations["timestep_pad_mask"],
            targets.actions,
            time,
            noise,
            method=_forward,
        )
    outputs, predicted = answer
    asked: Any = teacher.apply({"params": params["teacher"]}, *outputs)
    told, patch_logits, cells, state = asked
    at_patch = jnp.take_along_axis(cells, targets.patch[..., None, None], axis=2)[:, :, 0]
    parts = {
        "diffusion": _mean(((predicted - noise) ** 2).mean((0, -1)), targets.real),
        "mse": _mean(((told - targets.actions) ** 2).mean(-1), targets.real),
        "patch": _mean(optax.softmax_cross_entropy_with_integer_labels(patch_logits, targets.patch), targets.real),
        "cell": _mean(optax.huber_loss(at_patch, targets.cell, delta=0.3).sum(-1), targets.real),
        "state": _mean(optax.huber_loss(state, targets.state, delta=0.2).mean(-1), targets.real),
    }
    loss = parts["diffusion"] + parts["mse"]
    if auxiliary:
        loss += PATCH_WEIGHT * parts["patch"] + CELL_WEIGHT * parts["cell"] + STATE_WEIGHT * parts["state"]
    hits = patch_logits[:, -1].argmax(-1) == targets.patch[:, -1]
    return loss, {**parts, "patch_accuracy": hits.mean(), "action_error": jnp.abs(told - targets.actions).mean()}


def jitter_colors(observations: dict[str, Any], rng: Array) -> dict[str, Any]:
    """Returns the observations with another brightness and tint for each example's pictures."""
    jittered = dict(observations)
    for index, key in enumerate(sorted(key for key in observations if key.startswith("image_"))):
        gains, tints = jax.random.split(jax.random.fold_in(rng, index))
        image = observations[key].astype(jnp.float32)
        gain = 1 + GAIN_SPREAD * jax.random.normal(gains, (len(image), 1, 1, 1, 1))
        tint = TINT_SPREAD * jax.random.normal(tints, (len(image), 1, 1, 1, 3))
        jittered[key] = jnp.clip(image * gain + tint, 0.0, 255.0)
    return jittered


def _forward(module: OctoModule, observations: Any, tasks: Any, mask: Array, actions: Array, time: Array, noise: Array):
    outputs = module.octo_transformer(observations, tasks, mask, train=True)
    head = module.heads["action"]
    kept = jnp.asarray(head.alpha_hats)[time]
    noisy = jnp.sqrt(kept) * actions + jnp.sqrt(1 - kept) * noise
    predicted = head(outputs, time.astype(jnp.float32), noisy, train=True)
    return (outputs["readout_action"].tokens[:, :, 0], outputs["obs_primary"].tokens), predicted


def _encode_once(copies: int, window: int) -> Callable[..., Any]:
    """Lets the stems, which cost a third of a step, see once each picture that neighbouring examples share."""

    def intercept(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if copies == 1 or not isinstance(context.module, SmallStem) or context.method_name != "__call__":
            return call(*args, **kwargs)
        images, *rest = args
        alone = images.reshape(-1, copies, window, *images.shape[1:])[:, 0]
        encodings = call(alone.reshape(-1, *images.shape[1:]), *rest, **kwargs)
        shared = _repeat(encodings.reshape(-1, window, *encodings.shape[1:]), copies)
        return shared.reshape(len(images), *encodings.shape[1:])

    return intercept


def _repeat(values: Array, copies: int) -> Array:
    return jnp.repeat(values, copies, axis=0)


def _mean(values: Float[Array, "batch window"], real: Float[Array | np.ndarray, "batch window"]) -> Array:
    return (values * real).sum() / real.sum()
