"""A policy's own image encoder as a network to look into: the stem or ResNet behind one of its image tokenizers.

Layers are named as in the parameter tree. The encoder reads several pictures stacked on channels; one camera's is looked into, the
others are held black, which is what the policy is given for a missing goal. FiLM is left neutral unless a condition is given.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from octoscope.cnn.networks.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.networks.steps import Add, Conv, Film, GroupNorm, MaxPool, Padding, Relu, StackHeld, Step
from octoscope.errors import SelectionError, nearest
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.resnet import ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem, normalize_images, standardize_kernel
from octoscope.policies.octo.network.tokenizers import ImageTokenizer, matching_keys

_COLOURS = 3
_STACK = "stacked_pictures"


def policy_network(
    model: OctoModel, camera: str | None = None, *, condition: Float[np.ndarray, " entry"] | None = None
) -> GraphNetwork:
    """Returns the image encoder behind one of a policy's tokenizers.

    Args:
      model: The policy.
      camera: Name of the image tokenizer ("primary"); the first by default.
      condition: What FiLM is conditioned on, as the tokenizer stacks it from the task; FiLM changes nothing without.

    Raises:
      SelectionError: If the policy has no such image tokenizer, or the condition has another length.

    >>> network = policy_network(OctoModel.load_pretrained("demo"), "primary")
    >>> [layer.name for layer in network.layers][:4]
    ['StdConv_0', 'GroupNorm_0', 'relu_0', 'StdConv_1']
    """
    tokenizers = {
        name: tokenizer
        for name, tokenizer in model.module.octo_transformer.observation_tokenizers.items()
        if isinstance(tokenizer, ImageTokenizer)
    }
    if camera is None and tokenizers:
        camera = next(iter(tokenizers))
    if camera not in tokenizers:
        raise SelectionError(
            f"{model.name} has no image tokenizer '{camera}'.{nearest(str(camera), tokenizers)} "
            f"It has: {', '.join(tokenizers) or 'none'}."
        )
    tokenizer = tokenizers[camera]
    encoder: Any = tokenizer.encoder()
    tokenizer_params = model.params["octo_transformer"][f"observation_tokenizers_{camera}"]
    params = tokenizer_params[f"{type(encoder).__name__}_0"]
    before, after, size = _stack(model, tokenizer)
    builder = _Builder(params, condition)
    last = IMAGE
    if before or after:
        black = [
            normalize_images(jnp.zeros((1, 1, 1, _COLOURS * count)), encoder.img_norm_type) for count in (before, after)
        ]
        builder.weights[_STACK] = {name: value[0] for name, value in zip(("before", "after"), black, strict=True)}
        last = builder.then(_STACK, StackHeld(), last)
    builder.encoder(encoder, last)
    mean, std = picture_norm(encoder.img_norm_type)
    notes = [model.note.rstrip(".")] if model.note else []
    notes += ["other pictures of the stack held black"] if before or after else []
    notes += ["FiLM left neutral"] if encoder.use_film and condition is None else []
    return GraphNetwork(
        f"{model.name} {camera}",
        tuple(builder.nodes),
        builder.weights,
        size,
        mean,
        std,
        note="; ".join(notes),
    )


def picture_norm(img_norm_type: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and deviation, in levels of 0..255, by which an encoder's norm takes each colour.

    >>> [round(part[0], 3) for part in picture_norm("default")]
    [127.5, 127.5]
    """
    shift, unit = (np.asarray(normalize_images(jnp.full((1, 1, 1, 3), level), img_norm_type)) for level in (0.0, 1.0))
    std = 1 / (unit - shift).ravel()
    mean = -shift.ravel() * std
    return tuple(float(value) for value in mean), tuple(float(value) for value in std)


def _stack(model: OctoModel, tokenizer: ImageTokenizer) -> tuple[int, int, tuple[int, int]]:
    """Returns how many pictures are stacked before and after the one looked into, and its height and width."""
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    keys = matching_keys(observation, tokenizer.obs_stack_keys)
    goals = {*matching_keys(observation, tokenizer.task_stack_keys), *matching_keys(task, tokenizer.task_stack_keys)}
    return 0, len(keys) - 1 + len(goals), observation[keys[0]].shape[2:4]


def encoder_nodes(
    encoder: SmallStem | ViTResnet | PatchEncoder,
    params: Mapping[str, Any],
    *,
    condition: Float[np.ndarray, " entry"] | None = None,
) -> tuple[tuple[Node, ...], dict[str, dict[str, Any]]]:
    """Returns the nodes and weights of an encoder on normalised images; without `condition`, FiLM changes nothing."""
    builder = _Builder(params, condition)
    builder.encoder(encoder, IMAGE)
    return tuple(builder.nodes), builder.weights


class _Builder:
    """Collects nodes and weights while an encoder is walked through in forward order."""

    def __init__(self, params: Mapping[str, Any], condition: np.ndarray | None) -> None:
        self.params = params
        self.condition = condition
        self.nodes: list[Node] = []
        self.weights: dict[str, dict[str, Any]] = {}

    def encoder(self, encoder: SmallStem | ViTResnet | PatchEncoder, last: str) -> None:
        if isinstance(encoder, SmallStem):
            self.small_stem(encoder, last)
        elif isinstance(encoder, ViTResnet):
            self.resnet(encoder, last)
        else:
            self.embedding(encoder, encoder.patch_size, last)

    def then(self, name: str, step: Step, *inputs: str) -> str:
        self.nodes.append(Node(name, step, inputs))
        return name

    def small_stem(self, encoder: SmallStem, last: str) -> None:
        layers = zip(encoder.features, encoder.kernel_sizes, encoder.strides, encoder.padding, strict=False)
        for index, (_, _, stride, pad) in enumerate(layers):
            last = self.std_conv(f"StdConv_{index}", (stride, stride), last, padding=((pad, pad), (pad, pad)))
            last = self.then(f"relu_{index}", Relu(), self.norm(f"GroupNorm_{index}", last))
        self.embedding(encoder, encoder.patch_size // 16, last)

    def resnet(self, encoder: ViTResnet, last: str) -> None:
        last = self.then("relu_root", Relu(), self.norm("gn_root", self.std_conv("conv_root", (2, 2), last)))
        last = self.then("pool_root", MaxPool(3, 2, same=True), last)
        for stage, units in enumerate(encoder.num_layers):
            for unit in range(units):
                stride = 2 if stage > 0 and unit == 0 else 1
                last = self.unit(f"block{stage + 1}/unit{unit + 1}", stride, last)
            if encoder.use_film and stage > 0:
                last = self.film(f"FilmConditioning_{stage - 1}", last)
        if encoder.use_film and not encoder.num_layers:
            self.film("FilmConditioning_0", last)

    def unit(self, name: str, stride: int, last: str) -> str:
        shortcut = last
        if "conv_proj" in self._params_at(name):
            shortcut = self.norm(f"{name}/gn_proj", self.std_conv(f"{name}/conv_proj", (stride, stride), last))
        for number, step in ((1, 1), (2, stride), (3, 1)):
            last = self.norm(f"{name}/gn{number}", self.std_conv(f"{name}/conv{number}", (step, step), last))
            if number < 3:
                last = self.then(f"{name}/relu{number}", Relu(), last)
        return self.then(f"{name}/relu3", Relu(), self.then(f"{name}/add", Add(), shortcut, last))

    def embedding(self, encoder: SmallStem | PatchEncoder, size: int, last: str) -> None:
        self.weights["embedding"] = dict(self._params_at("embedding"))
        last = self.then("embedding", Conv((size, size), "VALID"), last)
        if encoder.use_film:
            self.film("FilmConditioning_0", last)

    def std_conv(self, name: str, strides: tuple[int, int], last: str, *, padding: Padding | str = "SAME") -> str:
        arrays = dict(self._params_at(name))
        # The weights are fixed, so their kernels are standardised once and for all.
        self.weights[name] = arrays | {"kernel": standardize_kernel(arrays["kernel"])}
        return self.then(name, Conv(strides, padding), last)

    def norm(self, name: str, last: str) -> str:
        self.weights[name] = dict(self._params_at(name))
        return self.then(name, GroupNorm(nn.GroupNorm.num_groups or 32, nn.GroupNorm.epsilon), last)

    def film(self, name: str, last: str) -> str:
        params = self._params_at(name)
        scale_of, shift_of = params["Dense_0"], params["Dense_1"]
        entries, channels = scale_of["kernel"].shape
        if self.condition is None:
            self.weights[name] = {"scale": jnp.ones(channels), "shift": jnp.zeros(channels)}
            return self.then(name, Film(), last)
        if self.condition.shape != (entries,):
            raise SelectionError(
                f"`condition` must have {entries} entries for this encoder, got shape {self.condition.shape}."
            )
        scale, shift = (self.condition @ part["kernel"] + part["bias"] for part in (scale_of, shift_of))
        self.weights[name] = {"scale": 1 + scale, "shift": shift}
        return self.then(name, Film(), last)

    def _params_at(self, name: str) -> Mapping[str, Any]:
        branch = self.params
        for part in name.split("/"):
            branch = branch[part]
        return branch
