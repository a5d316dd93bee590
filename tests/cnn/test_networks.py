"""Networks built from weights equal the modules that the weights belong to; files that do not fit are refused."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from octoscope.cnn.networks.embedded_network import load_embedded_network
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.policy_network import encoder_nodes, policy_network
from octoscope.cnn.networks.sources import open_network
from octoscope.cnn.networks.squeezenet import load_squeezenet
from octoscope.cnn.networks.vgg16 import load_vgg16
from octoscope.errors import CheckpointError, SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.resnet import ResNet26FILM, ViTResnet
from octoscope.policies.octo.network.stems import SmallStem16


def test_the_demo_policys_stem_is_that_of_its_tokenizer():
    model = OctoModel.load_pretrained("drawn")
    network = policy_network(model, "primary")
    images = jnp.asarray(np.random.default_rng(0).uniform(0, 255, (1, *network.input_size, 3)), jnp.float32)
    encoder: Any = model.module.octo_transformer.observation_tokenizers["primary"].encoder()  # pyright: ignore[reportAttributeAccessIssue]
    params = model.params["octo_transformer"]["observation_tokenizers_primary"]["SmallStem16_0"]
    expected = encoder.apply({"params": params}, jnp.concatenate([images, images * 0], axis=-1))
    np.testing.assert_allclose(np.asarray(network.activation(images, "embedding")), np.asarray(expected), atol=2e-4)
    assert "held black" in network.note


@pytest.mark.parametrize(
    "encoder",
    [ResNet26FILM(width=0.5, num_layers=(1, 1)), SmallStem16(use_film=True, features=(32, 32), num_features=8)],
)
@pytest.mark.parametrize("conditioned", [True, False])
def test_encoders_are_rebuilt_with_and_without_film(encoder: ViTResnet | SmallStem16, conditioned: bool):
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.uniform(0, 255, (1, 32, 32, 3)), jnp.float32)
    condition = rng.normal(size=6).astype(np.float32)
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), images, jnp.asarray(condition[None]))["params"]
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.1, 0.3, leaf.shape), jnp.float32), shapes)
    given = condition if conditioned else None
    nodes, weights = encoder_nodes(encoder, params, condition=given)
    network = GraphNetwork("encoder", nodes, weights, (32, 32), (127.5,) * 3, (127.5,) * 3)
    if not conditioned:
        for name in [name for name in params if name.startswith("Film")]:
            params[name] = jax.tree.map(jnp.zeros_like, params[name])
    expected = np.asarray(encoder.apply({"params": params}, images, jnp.asarray(condition[None])))
    got = np.asarray(network.activation(images, network.layers[-1].name))
    np.testing.assert_allclose(got, expected, atol=2e-3 * np.abs(expected).max())


def test_the_embedded_network_has_learnt():
    network = load_embedded_network()
    assert (network.layers[-1].name, network.layers[-1].size) == ("logits", (1, 1))
    assert len(network.class_names) == network.layers[-1].channels


def test_unknown_networks_and_cameras_are_refused():
    with pytest.raises(SelectionError, match="Did you mean 'embedded'"):
        open_network("embeded")
    with pytest.raises(SelectionError, match="'vgg16:random' is none"):
        open_network("vgg16:random", camera="primary")
    with pytest.raises(SelectionError, match=r"no image tokenizer 'primry'.*Did you mean 'primary'"):
        open_network("policy:demo:primry")


def test_weights_of_other_networks_are_refused_with_names_and_shapes(tmp_path: Path):
    np.savez(tmp_path / "other.npz", weight=np.zeros((2, 3)))
    with pytest.raises(CheckpointError, match=r"conv1/bias.* missing; it holds weight \(2, 3\)"):
        load_squeezenet(tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match="missing"):
        load_vgg16(tmp_path / "nowhere.safetensors")
    header = b'{"features.0.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    (tmp_path / "other.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(CheckpointError, match=r"features\.0\.weight is \(2, 2\), not \(64, 3, 3, 3\).*1 arrays"):
        load_vgg16(tmp_path / "other.safetensors")


def test_the_hubs_vgg16_file_is_read_up_to_its_last_convolution(tmp_path: Path):
    """The hub's layout: convolutions as (out, in, rows, columns), the classifier behind them."""
    rng = np.random.default_rng(0)
    indices = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    channels = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    arrays: dict[str, np.ndarray] = {}
    for index, into, out in zip(indices, channels, channels[1:], strict=False):
        arrays[f"features.{index}.weight"] = np.zeros((out, into, 3, 3), np.float32)
        arrays[f"features.{index}.bias"] = np.full(out, index, np.float32)
    first = rng.normal(size=(64, 3, 3, 3)).astype(np.float32)
    arrays["features.0.weight"] = first
    arrays["head.fc.bias"] = np.zeros(1000, np.float32)
    save_file(arrays, tmp_path / "model.safetensors")
    network = load_vgg16(tmp_path / "model.safetensors")
    images = rng.uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    found = np.asarray(network.activation(jnp.asarray(images), "0"))
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    padded = np.pad((images - mean) / std, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.einsum("ijc,ocij->o", padded[0, 4:7, 9:12], first)
    np.testing.assert_allclose(found[0, 4, 9], expected, rtol=1e-4, atol=1e-4)
    assert np.asarray(network.activation(jnp.asarray(images), "conv5_1")).max() == 24
