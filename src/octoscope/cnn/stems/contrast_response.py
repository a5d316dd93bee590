"""Does the contrast of the pictures matter to the policy, and is it the encoder's first norm that takes it out?

Octo's stems normalise behind each convolution in 32 groups. Where the first convolution has 32 channels, each is a group of its own
(instance norm: Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022): what multiplies a whole picture is divided out again. Held at
what it was on the unchanged pictures, the norm divides by the same as before, and the change passes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float, UInt8
from octoscope.cnn.stems.contrast_effects import ContrastResponse
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.traced_chunk import traced_chunk

_MIDDLE = 127.5
_FIRST_NORMS = ("GroupNorm_0", "gn_root")
# Which norms are held at their statistics on the unchanged pictures.
_HELD = ("none", "first", "all")


def contrast_response(
    model: OctoModel,
    places: Sequence[tuple[Episode, int]],
    *,
    factors: Sequence[float] = (0.75, 0.5, 0.25, 0.1),
    seed: int = 0,
    noises: int = 8,
) -> ContrastResponse:
    """Returns what reduced contrast does at several steps, beside the same with first norms held and beside pixel noise of that size.

    Pictures stay whole levels of 0..255, so that small factors also round; nothing is cut off. Goal pictures, where there are any, stay.

    Args:
      model: The policy.
      places: Episodes and steps.
      factors: Each in 0..1.
      seed: Of the action's noise and of the pixel noise.
      noises: Draws of other action noise, for the noise floor.

    Raises:
      SelectionError: If there is no step, or no encoder has a first norm.

    Example:
      >>> import octoscope as osc
      >>> model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
      >>> result = contrast_response(model, [(episode, 1)], factors=[0.5], noises=2)
      >>> result.as_is.shape, result.norm_held.shape
      ((1, 1), (1, 1))
    """
    if not places:
        raise SelectionError("`places` must name at least one step of an episode, got none.")
    program = _HeldNorms(model, places[0][0].dataset)
    rng = np.random.default_rng(seed)
    rows = [_at_place(program, episode, step, factors, rng, seed=seed, noises=noises) for episode, step in places]
    first = next(iter(StepScene.at(model, *places[0]).pictures.values()))
    pixel_change, as_is, first_held, all_held, pixel_noise, noise = (np.stack(part) for part in zip(*rows, strict=True))
    return ContrastResponse(
        model.name,
        model.note,
        tuple(f"{episode.name} step {step}" for episode, step in places),
        tuple(factors),
        pixel_change,
        as_is,
        first_held,
        all_held,
        pixel_noise,
        noise,
        (first, *(reduced_contrast(first, factor) for factor in factors)),
    )


def reduced_contrast(
    image: UInt8[np.ndarray, "*batch height width 3"], factor: float
) -> UInt8[np.ndarray, "*batch height width 3"]:
    """Returns a picture whose distance from mid-grey is multiplied, rounded to whole levels.

    >>> reduced_contrast(np.array([[[0, 127, 255]]], np.uint8), 0.5).ravel().tolist()
    [64, 127, 191]
    """
    return np.rint((image - _MIDDLE) * factor + _MIDDLE).clip(0, 255).astype(np.uint8)


def _at_place(
    program: "_HeldNorms",
    episode: Episode,
    step: int,
    factors: Sequence[float],
    rng: np.random.Generator,
    *,
    seed: int,
    noises: int,
) -> tuple[np.ndarray, ...]:
    scene, noise = StepScene.at(program.model, episode, step), Noise(seed, step)
    images, key = scene.inputs.images, noise_key(noise)
    apart, reduced, noisy = [], [], []
    for factor in factors:
        fewer = {name: reduced_contrast(image, factor) for name, image in images.items()}
        size = {name: np.sqrt(((fewer[name].astype(float) - image) ** 2).mean()) for name, image in images.items()}
        grains = {
            name: np.rint(image + rng.normal(0, size[name], image.shape)).clip(0, 255).astype(np.uint8)
            for name, image in images.items()
        }
        apart.append(float(np.mean(list(size.values()))))
        reduced.append(_with_images(scene.inputs, fewer))
        noisy.append(_with_images(scene.inputs, grains))
    still = program.act(scene.inputs, scene.inputs, key, held="none")
    changed = [[program.act(scene.inputs, each, key, held=held) for each in reduced] for held in _HELD]
    other = [program.act(scene.inputs, each, key, held="none") for each in noisy]
    policy, counts = program.model.policy, scene.space.counts
    draws = (
        policy.act([scene.inputs] * noises, [noise.other(draw) for draw in range(1, noises + 1)]) if noises else None
    )
    made = [np.stack(each) for each in (*changed, other)]
    made.append(made[0][:0] if draws is None else draws)
    sizes = [action_change(still[:, counts], each[..., counts]) for each in made]
    return np.array(apart), *sizes


class _HeldNorms:
    """The policy on changed pictures, its encoders' norms as they come or held at the unchanged pictures' statistics."""

    def __init__(self, model: OctoModel, dataset: str) -> None:
        self.model = model
        space = model.policy.action_space(dataset)
        self.action_dim = None if space.unnormalize is None else space.dim
        self._programs = {held: jax.jit(lambda *args, held=held: self._act(*args, held=held)) for held in _HELD}
        transformer = model.params["octo_transformer"]
        if not any(
            norm in encoder
            for name in transformer
            if "tokenizers_" in name
            for encoder in transformer[name].values()
            for norm in _FIRST_NORMS
        ):
            raise SelectionError(
                f"No image encoder of {model.name} has a norm behind its first convolution: nothing takes contrast out."
            )

    def act(self, still: PolicyInputs, changed: PolicyInputs, key: Array, *, held: str) -> np.ndarray:
        before, after = (self.model.policy.tensors(inputs) for inputs in (still, changed))
        program = self._programs[held]
        return np.asarray(program(self.model.params, before.observation, after.observation, before.tasks, key))

    def _act(
        self, params: Mapping[str, Any], still: Any, changed: Any, tasks: Any, key: Array, *, held: str
    ) -> Float[Array, "horizon dim"]:
        moments: dict[tuple[str, ...], tuple[Array, Array]] = {}

        def record(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
            if isinstance(context.module, nn.GroupNorm) and (held == "all" or context.module.name in _FIRST_NORMS):
                moments[context.module.path] = _moments(args[0])
            return call(*args, **kwargs)

        def hold(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
            path = context.module.path
            return _normalised(args[0], *moments[path], _at(params, path)) if path in moments else call(*args, **kwargs)

        if held != "none":
            # Only what these norms are given is used of this pass; the compiler drops the rest.
            with nn.intercept_methods(record):
                self._apply(params, still, tasks, key)
        with nn.intercept_methods(hold):
            return self._apply(params, changed, tasks, key)

    def _apply(self, params: Mapping[str, Any], observation: Any, tasks: Any, key: Array) -> Array:
        return traced_chunk(self.model, params, observation, tasks, key, action_dim=self.action_dim)


def _moments(maps: Float[Array, "batch row column channel"]) -> tuple[Array, Array]:
    """Returns each channel's mean and variance over its group and the whole map."""
    groups = nn.GroupNorm.num_groups or 32
    parts = maps.reshape(*maps.shape[:3], groups, -1)
    mean, square = (jnp.mean(part, axis=(1, 2, 4)) for part in (parts, parts**2))
    each = parts.shape[-1]
    return jnp.repeat(mean, each, axis=-1), jnp.repeat(square - mean**2, each, axis=-1)


def _normalised(maps: Array, mean: Array, variance: Array, params: Mapping[str, Array]) -> Array:
    scale = jax.lax.rsqrt(variance + nn.GroupNorm.epsilon)
    return (maps - mean[:, None, None]) * scale[:, None, None] * params["scale"] + params["bias"]


def _at(params: Any, path: tuple[str, ...]) -> Mapping[str, Array]:
    for part in path:
        params = params[part]
    return params


def _with_images(inputs: PolicyInputs, images: Mapping[str, np.ndarray]) -> PolicyInputs:
    for camera, image in images.items():
        inputs = inputs.with_images(camera, image)
    return inputs
