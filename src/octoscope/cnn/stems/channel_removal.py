"""A channel of an image encoder is taken away, and the policy acts again under the same noise: what changes in the action?

Every channel of a layer goes through one compiled program, many at a time. The encoder is the policy's own, with all that it reads (goal
pictures, FiLM): the channel is replaced where it comes out of its layer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float, Float32
from octoscope.cnn.stems.channel_effects import CHANNEL_FILLS, ChannelEffects
from octoscope.cnn.stems.channel_statistics import ChannelStatistics
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.policies.octo.octo_inputs import OctoInputs
from octoscope.policies.octo.traced_chunk import traced_chunk


def remove_channels(
    model: OctoModel,
    places: Sequence[tuple[Episode, int]],
    statistics: ChannelStatistics,
    *,
    camera: str,
    seed: int = 0,
    noises: int = 8,
    batch: int = 32,
) -> ChannelEffects:
    """Returns what removing each channel of a layer does to the action chunk, one channel at a time, at several steps.

    A channel is removed in every frame of the window, and filled twice: "mean", with its mean over the frames of `statistics`, unit by
    unit, so that only what differs from frame to frame is lost; "zero", so that its constant part is lost too. A channel that does much
    under "zero" and nothing under "mean" acts as a bias.

    Args:
      model: The policy.
      places: Episodes and steps to act at. Their number is that of the frames behind every mean here.
      statistics: Of the layer, from `channel_statistics` over the camera's frames.
      camera: Name of the image tokenizer.
      seed: Of the noise, as in `attend`.
      noises: Draws of other noise at each step, for the noise floor.
      batch: Channels run at once.

    Raises:
      SelectionError: If the camera has no such layer, or the layer is nothing that can be replaced.
      EpisodeError: If a step cannot be given to the policy, or there is none.

    Example:
      >>> import octoscope as osc
      >>> from octoscope.cnn.stems.channel_statistics import channel_statistics
      >>> from octoscope.cnn.networks.policy_network import policy_network
      >>> from octoscope.policies.octo.network.image_resize import resize_image
      >>> model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
      >>> network = policy_network(model, "primary")
      >>> frames = [resize_image(frame, network.input_size) for frame in episode.images["primary"][:2]]
      >>> known = channel_statistics(network, frames, ["relu_0"])
      >>> remove_channels(model, [(episode, 1)], known["relu_0"], camera="primary", noises=2).size.shape
      (1, 2, 32)
    """
    if not places:
        raise SelectionError("`places` must name at least one step of an episode, got none.")
    if statistics.mean_map.shape != (*statistics.layer.size, statistics.layer.channels):
        raise SelectionError(
            f"`statistics` are over frames of another size than the policy takes: maps of {statistics.mean_map.shape[:2]} where layer "
            f"{statistics.layer.name} has {statistics.layer.size}. Bring frames to the encoder's size with `resize_image` first."
        )
    program = _RemovalProgram(model, camera, statistics.layer.name, places[0][0].dataset)
    channels = statistics.layer.channels
    fills = np.stack([np.moveaxis(statistics.mean_map, -1, 0), np.zeros((channels, *statistics.layer.size))])
    scenes = _scenes(model, places)
    changed = [
        program.act(model.policy.tensors(scene.inputs), noise_key(Noise(seed, scene.step)), fills, batch=batch)
        for scene in scenes
    ]
    others = [_under_noise(model, scene, seed=seed, noises=noises, batch=batch) for scene in scenes]
    return _effects(program, statistics, scenes, np.stack(changed), np.stack(others), seed=seed)


def _under_noise(
    model: OctoModel, scene: StepScene, *, seed: int, noises: int, batch: int
) -> Float32[np.ndarray, "draw horizon dim"]:
    draws = [Noise(seed, scene.step, draw) for draw in range(1, noises + 1)]
    if draws:
        return model.policy.act([scene.inputs] * noises, draws, batch=batch)
    return np.zeros((0, scene.space.horizon, scene.space.predicted), np.float32)


class _RemovalProgram:
    """The policy with one channel of one layer replaced."""

    def __init__(self, model: OctoModel, camera: str, layer: str, dataset: str) -> None:
        self.model, self.camera = model, camera
        self._path = _module_path(model, camera, layer)
        self.space = model.policy.action_space(dataset)
        self.action_dim = None if self.space.unnormalize is None else self.space.dim
        self._program: Callable[..., Array] = jax.jit(
            jax.vmap(self._act_once, in_axes=(None, None, None, None, 0, 0)),
        )

    def act(
        self, inputs: OctoInputs, key: Array, fills: Float[np.ndarray, "fill filter row column"], *, batch: int
    ) -> Float32[np.ndarray, "entry horizon dim"]:
        """Returns the undisturbed action chunk, then that without each channel, fill after fill."""
        kinds, channels = fills.shape[:2]
        # A channel that does not exist is replaced by nothing: the undisturbed action comes out of the same program.
        numbers = np.array([-1, *list(range(channels)) * kinds], np.int32)
        maps = np.concatenate([fills[0, :1], fills.reshape(kinds * channels, *fills.shape[2:])]).astype(np.float32)
        count = len(numbers)
        missing = -count % min(batch, count)
        numbers = np.concatenate([numbers, np.repeat(numbers[:1], missing)])
        maps = np.concatenate([maps, np.repeat(maps[:1], missing, axis=0)])
        size = min(batch, count)
        chunks = [
            np.asarray(
                self._program(
                    self.model.params,
                    inputs.observation,
                    inputs.tasks,
                    key,
                    numbers[start : start + size],
                    maps[start : start + size],
                )
            )
            for start in range(0, len(numbers), size)
        ]
        return np.concatenate(chunks)[:count]

    def _act_once(
        self, params: Mapping[str, Any], observation: Any, tasks: Any, key: Array, channel: Array, fill: Array
    ) -> Float[Array, "horizon dim"]:
        def replace(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
            output = call(*args, **kwargs)
            if context.module.path != self._path or context.method_name != "__call__":
                return output
            removed = jnp.arange(output.shape[-1]) == channel
            return jnp.where(removed, fill[..., None].astype(output.dtype), output)

        with nn.intercept_methods(replace):
            return traced_chunk(self.model, params, observation, tasks, key, action_dim=self.action_dim)


def _module_path(model: OctoModel, camera: str, layer: str) -> tuple[str, ...]:
    """Returns where in the policy's module tree a layer's output can be replaced.

    A ReLU is no module. What it lets through is replaced in the norm before it: a fill is a mean of values of 0 and more, or 0, and the
    ReLU passes it as it is.
    """
    tokenizer = model.module.octo_transformer.observation_tokenizers.get(camera)
    if not isinstance(tokenizer, ImageTokenizer):
        raise SelectionError(f"{model.name} has no image tokenizer '{camera}'.")
    name = f"observation_tokenizers_{camera}"
    encoder = f"{type(tokenizer.encoder()).__name__}_0"
    *block, last = layer.split("/")
    if last.startswith("relu"):
        ending = last.removeprefix("relu")
        # The last ReLU of a bottleneck unit is what the unit gives.
        last = {"_root": "gn_root", "3": ""}.get(
            ending, f"GroupNorm{ending}" if ending.startswith("_") else f"gn{ending}"
        )
    elif last in ("add", "pool_root"):
        raise SelectionError(f"`layer` {layer} cannot be replaced by itself; take the ReLU beside it.")
    parts = [part for part in (*block, last) if part]
    branch: Any = model.params["octo_transformer"][name][encoder]
    for part in parts:
        if part not in branch:
            raise SelectionError(f"The encoder of {camera} has no layer '{layer}'. `octoscope cnn layers` lists them.")
        branch = branch[part]
    return ("octo_transformer", name, encoder, *parts)


def _scenes(model: OctoModel, places: Sequence[tuple[Episode, int]]) -> list[StepScene]:
    scenes: list[StepScene] = []
    for episode, step in places:
        if scenes and scenes[-1].episode is episode:
            scenes.append(scenes[-1].moved_to(step))
        else:
            scenes.append(StepScene.at(model, episode, step))
    return scenes


def _effects(
    program: _RemovalProgram,
    channels: ChannelStatistics,
    scenes: Sequence[StepScene],
    actions: Float[np.ndarray, "frame entry horizon dim"],
    others: Float[np.ndarray, "frame draw horizon dim"],
    *,
    seed: int,
) -> ChannelEffects:
    model, space = program.model, program.space
    counted, draws = actions[..., space.counts], others[..., space.counts]
    sizes = [action_change(chunks[0], chunks[1:]) for chunks in counted]
    noise = [action_change(chunks[0], drawn) for chunks, drawn in zip(counted, draws, strict=True)]
    shape = (len(scenes), len(CHANNEL_FILLS), channels.layer.channels)
    return ChannelEffects(
        policy=model.name,
        note=model.note,
        camera=program.camera,
        layer=channels.layer,
        frames=tuple(f"{scene.episode.name} step {scene.step}" for scene in scenes),
        averaged_over=channels.frames,
        seed=seed,
        units=space.units,
        moves=space.moves,
        size=np.stack(sizes).reshape(shape),
        change=_rms(actions[:, 1:], actions[:, :1], space).reshape(*shape, space.dim),
        noise=np.stack(noise),
        noise_change=_rms(others, actions[:, :1], space),
    )


def _rms(
    after: Float[np.ndarray, "frame entry horizon dim"],
    before: Float[np.ndarray, "frame 1 horizon dim"],
    space: ActionSpace,
) -> Float[np.ndarray, "frame entry robot_dim"]:
    """Returns the root mean square over the horizon of what changed, per dimension in its unit."""
    if space.unnormalize is not None:
        after, before = space.unnormalize(after), space.unnormalize(before)
    change = (after - before)[..., : space.dim].astype(np.float64) * np.array(space.units.scale)
    return np.sqrt((change**2).mean(axis=2))
