"""The image encoders of LeRobot's families as networks to look into: ACT's and Diffusion Policy's ResNets, and SigLIP's patches.

Behind SigLIP's patches all patches look at each other: no convolution sees them, so the network ends there.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from octoscope.array_typing import Float32
from octoscope.cnn.networks.graph import IMAGE, GraphNetwork, Node
from octoscope.cnn.networks.steps import Add, Conv, GroupNorm, MaxPool, Relu, Step, Weights, ZeroPad
from octoscope.errors import SelectionError, nearest
from octoscope.policies.act import backbone as resnet
from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.diffusion.diffusion_policy import DiffusionPolicy
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.lerobot_folder.normalization import FeatureNormalization
from octoscope.policies.lerobot_folder.policy_folder import LeRobotFolder
from octoscope.policies.parts.flow_policy import FlowPolicy
from octoscope.policies.policy_model import PolicyModel

# torch's default of both norms.
_EPSILON = 1e-5
# Channels of a group, where Diffusion Policy puts group norms in the place of batch norms.
_GROUP = 16
_MOST = 255.0
_PATCHES = "patch_embedding"


def lerobot_network(policy: PolicyModel, camera: str | None = None) -> GraphNetwork:
    """Returns the image encoder behind one of a policy's cameras; weights that cameras share are the same for each.

    Args:
      policy: An ACT, a Diffusion Policy, a SmolVLA, a pi0 or a pi0.5.
      camera: By its own name; the first by default.

    Raises:
      SelectionError: If the policy has no such camera, or is of another family.
    """
    cameras = list(policy.needs.cameras)
    if camera is None and cameras:
        camera = cameras[0]
    if camera not in cameras:
        raise SelectionError(
            f"{policy.card.name} has no camera '{camera}'.{nearest(str(camera), cameras)} It has: {', '.join(cameras) or 'none'}."
        )
    name, note = f"{policy.card.name} {camera}", policy.card.note
    if isinstance(policy, ActPolicy):
        folder, config = policy.model.folder, policy.model.config
        nodes, weights = _resnet(policy.model.params["backbone"], config.backbone, dilated=config.dilated)
        size = policy.needs.cameras[camera]
    elif isinstance(policy, DiffusionPolicy):
        folder, encoders = policy.folder, policy.params["rgb_encoder"]
        own = encoders[str(cameras.index(camera))] if policy.config.separate else encoders
        nodes, weights = _resnet(own["backbone"], policy.config.backbone, dilated=False)
        size, note = policy.config.crop, "; ".join(filter(None, ("the middle of a frame, which is all it sees", note)))
    elif isinstance(policy, FlowPolicy):
        folder, embedding = policy.model.folder, policy.model.params["vision"]["embeddings"][_PATCHES]
        nodes, weights = _patches(embedding)
        size = policy.model.network.image_size
        # Frames are scaled to -1..1 behind the folder's own normalisation.
        return _network(name, nodes, weights, size, folder, camera, note="the patches alone", scale=(-1.0, 2.0))
    else:
        raise SelectionError(f"No image encoder of {policy.card.name} ({policy.card.family}) can be looked into here.")
    return _network(name, nodes, weights, size, folder, camera, note=note)


def _network(
    name: str,
    nodes: tuple[Node, ...],
    weights: Mapping[str, Weights],
    size: tuple[int, int],
    folder: LeRobotFolder,
    camera: str,
    *,
    note: str,
    scale: tuple[float, float] = (0.0, 1.0),
) -> GraphNetwork:
    feature = next(each for each in folder.config.inputs if camera_name(each.name) == camera)
    mean, std = _levels(folder.normalization(feature), scale)
    return GraphNetwork(name, nodes, weights, size, mean, std, note=note)


def _levels(
    normalization: FeatureNormalization, scale: tuple[float, float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and deviation, in levels of 0..255, by which a folder's normalisation takes each colour."""
    offset, factor = scale
    black, white = (
        np.asarray(normalization.normalize(np.full((1, 3), level, np.float32)), np.float64)[0] * factor + offset
        for level in (0.0, 1.0)
    )
    std = _MOST / (white - black)
    return tuple(map(float, -black * std)), tuple(map(float, std))


def _patches(embedding: Mapping[str, Any]) -> tuple[tuple[Node, ...], dict[str, dict[str, Any]]]:
    kernel = jnp.moveaxis(jnp.asarray(embedding["weight"], jnp.float32), (2, 3, 1, 0), (0, 1, 2, 3))
    step = Conv((kernel.shape[0], kernel.shape[1]), "VALID")
    return (Node(_PATCHES, step, (IMAGE,)),), {_PATCHES: {"kernel": kernel, "bias": jnp.asarray(embedding["bias"])}}


def _resnet(
    params: Mapping[str, Any], backbone: str, *, dilated: bool
) -> tuple[tuple[Node, ...], dict[str, dict[str, Any]]]:
    """Returns torchvision's ResNet without its classifier, layers by torchvision's names."""
    nodes: list[Node] = []
    weights: dict[str, dict[str, Any]] = {}

    def then(name: str, step: Step, *inputs: str) -> str:
        nodes.append(Node(name, step, inputs))
        return name

    def conv(each: resnet.Conv, last: str) -> str:
        kernel, norm = _spread(_at(params, each.name)["weight"], each.dilation), _at(params, each.norm)
        side = (each.padding, each.padding)
        step = Conv((each.stride, each.stride), (side, side))
        if "running_mean" in norm:
            # Frozen, a batch norm is a part of the convolution before it.
            gain = norm["weight"] / jnp.sqrt(norm["running_var"] + _EPSILON)
            weights[each.name] = {"kernel": kernel * gain, "bias": norm["bias"] - norm["running_mean"] * gain}
            return then(each.name, step, last)
        weights[each.name] = {"kernel": jnp.asarray(kernel)}
        weights[each.norm] = {"scale": norm["weight"], "bias": norm["bias"]}
        groups = GroupNorm(len(norm["weight"]) // _GROUP, _EPSILON)
        return then(each.norm, groups, then(each.name, step, last))

    last = then("relu", Relu(), conv(resnet.stem_conv(backbone), IMAGE))
    last = then("maxpool", MaxPool(3, 2), then("pad", ZeroPad(1, 1), last))
    for stage, blocks in enumerate(resnet.stages(backbone, dilated=dilated), start=1):
        for number, block in enumerate(blocks):
            name = f"layer{stage}.{number}"
            shortcut = last if block.shortcut is None else conv(block.shortcut, last)
            for place, each in enumerate(block.convs, start=1):
                last = conv(each, last)
                if place < len(block.convs):
                    last = then(f"{name}.relu{place}", Relu(), last)
            last = then(f"{name}.relu{len(block.convs)}", Relu(), then(f"{name}.add", Add(), shortcut, last))
    return tuple(nodes), weights


def _spread(kernel: Any, dilation: int) -> Float32[np.ndarray, "height width into out"]:
    """Returns a kernel with the gaps of its dilation filled with zeros, so that whoever reads its size reads what it sees."""
    kernel = np.asarray(kernel, np.float32)
    height, width, into, out = kernel.shape
    whole = np.zeros(((height - 1) * dilation + 1, (width - 1) * dilation + 1, into, out), np.float32)
    whole[::dilation, ::dilation] = kernel
    return whole


def _at(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for part in name.split("."):
        params = params[part]
    return params
