"""Image encoders to compare with a policy's own: the same stem with random weights, a patch embedding, a small ResNet.

None of them is trained. They show what an architecture gives before anything is learnt; what training adds is the distance of the policy's
own encoder from its random copies.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from octoscope.array_typing import Float32, UInt8
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.policy_network import encoder_nodes, picture_norm, policy_network
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.resnet import ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem

_TRAINED = "policy's own"
# Pictures encoded at once.
_BATCH = 8


def encoder_variants(model: OctoModel, camera: str, *, seeds: Sequence[int] = (0,)) -> dict[str, GraphNetwork]:
    """Returns a policy's own encoder and untrained ones of the same patch and, where the architecture lets it, as many entries.

    Args:
      model: The policy.
      camera: Name of the image tokenizer.
      seeds: Of the random weights, one set of untrained encoders each.

    Raises:
      SelectionError: If the policy has no such image tokenizer.

    >>> model = OctoModel.load_pretrained("drawn")
    >>> list(encoder_variants(model, "primary"))
    ["policy's own", 'same stem, random', 'patch embedding, random', 'small ResNet, random']
    """
    own = policy_network(model, camera)
    encoder: Any = model.module.octo_transformer.observation_tokenizers[camera].encoder()
    patch = layer_field(own, own.layers[-1].name).rows.stride
    entries = own.layers[-1].channels
    plain: dict[str, SmallStem | PatchEncoder | ViTResnet] = {
        "same stem": encoder.clone(use_film=False),
        "patch embedding": PatchEncoder(patch_size=patch, num_features=entries, img_norm_type=encoder.img_norm_type),
        "small ResNet": ViTResnet(
            num_layers=(1,) * max(1, int(np.log2(patch)) - 1), width=0.5, img_norm_type=encoder.img_norm_type
        ),
    }
    networks = {_TRAINED: own}
    for seed in seeds:
        ending = "random" if len(seeds) == 1 else f"random {seed}"
        for name, module in plain.items():
            networks[f"{name}, {ending}"] = random_encoder(module, own.input_size, seed=seed, name=f"{name}, {ending}")
    return networks


def random_encoder(
    encoder: SmallStem | PatchEncoder | ViTResnet, size: tuple[int, int], *, seed: int, name: str
) -> GraphNetwork:
    """Returns an encoder as it is before training, for one picture of that size and no FiLM.

    A ResNet is made with its residual branches shut (scale 0 in their last norm): here they are open (1), or only its shortcuts would be
    compared.

    >>> random_encoder(PatchEncoder(patch_size=16, num_features=8), (64, 48), seed=0, name="patches").layers[-1].size
    (4, 3)
    """
    params = jax.jit(encoder.init)(jax.random.key(seed), jnp.zeros((1, *size, 3)))["params"]
    flat: dict[str, Any] = dict(traverse_util.flatten_dict(params, sep="/"))
    opened = {path: jnp.ones_like(leaf) if path.endswith("gn3/scale") else leaf for path, leaf in flat.items()}
    return encoder_network(
        encoder, traverse_util.unflatten_dict(opened, sep="/"), size, name=name, note="random weights"
    )


def encoder_network(
    encoder: SmallStem | PatchEncoder | ViTResnet, params: Any, size: tuple[int, int], *, name: str, note: str = ""
) -> GraphNetwork:
    """Returns an encoder of single pictures as a network to look into."""
    nodes, weights = encoder_nodes(encoder, params)
    return GraphNetwork(name, nodes, weights, size, *picture_norm(encoder.img_norm_type), note=note)


def encode_frames(
    network: GraphNetwork, frames: UInt8[np.ndarray, "frame height width 3"]
) -> Float32[np.ndarray, "frame row column embed"]:
    """Returns what a network makes of each frame at its last layer, a few frames at a time.

    >>> network = random_encoder(PatchEncoder(patch_size=16, num_features=8), (32, 32), seed=0, name="patches")
    >>> encode_frames(network, np.zeros((3, 32, 32, 3), np.uint8)).shape
    (3, 2, 2, 8)
    """
    last = network.layers[-1].name
    tokens = []
    for start in range(0, len(frames), _BATCH):
        part = frames[start : start + _BATCH]
        # Filled up, so that one compiled program serves all.
        filled = np.concatenate([part, np.repeat(part[-1:], _BATCH - len(part), axis=0)])
        tokens.append(np.asarray(network.activation(jnp.asarray(filled, jnp.float32), last))[: len(part)])
    return np.concatenate(tokens)
