"""ResNet18 against torchvision, where that is installed; its shapes everywhere."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from octoscope.cnn.activation_maps.class_score import class_score
from octoscope.cnn.networks.resnet18 import load_resnet18, random_resnet18_arrays, resnet18_network
from octoscope.cnn.networks.sources import open_network
from octoscope.errors import CheckpointError, OctoscopeError, SelectionError


def varied_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = random_resnet18_arrays(rng)
    for key, array in arrays.items():
        if array.ndim == 1:
            arrays[key] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    return arrays


def test_it_is_torchvisions():
    torch, torchvision = pytest.importorskip("torch"), pytest.importorskip("torchvision")
    arrays = varied_arrays()
    module = torchvision.models.resnet18()
    module.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()}, strict=False)
    network = resnet18_network(arrays)
    picture = np.random.default_rng(1).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    normal = (picture - np.asarray(network.mean)) / np.asarray(network.std)
    with torch.no_grad():
        theirs = module.eval()(torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1)[None])[0].numpy()
    ours = np.asarray(network.activation(jnp.asarray(picture)[None], "fc"))[0, 0, 0]
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4 * np.abs(theirs).max())


def test_its_last_maps_lead_affinely_to_the_classes():
    network = resnet18_network(random_resnet18_arrays(np.random.default_rng(0)))
    assert [layer.size for layer in network.layers if layer.name.endswith("relu2")][::2] == [
        (56, 56),
        (28, 28),
        (14, 14),
        (7, 7),
    ]
    score = class_score(network, np.full((32, 32, 3), 99), 3)
    assert (score.layer.name, score.affine) == ("layer4.1.relu2", True)


def test_a_file_is_read_by_its_name(tmp_path: Path):
    arrays = varied_arrays()
    # What the hub's file holds besides: a count that says nothing about the network.
    stored = arrays | {"bn1.num_batches_tracked": np.array(7, np.int64)}
    save_file(stored, tmp_path / "model.safetensors")
    network = open_network(f"resnet18:{tmp_path / 'model.safetensors'}")
    gain = arrays["bn1.weight"] / np.sqrt(arrays["bn1.running_var"] + 1e-5)
    kernel = arrays["conv1.weight"][5, 2, 3, 1] * gain[5]
    assert float(network.weights["conv1"]["kernel"][3, 1, 2, 5]) == pytest.approx(float(kernel), rel=1e-5)
    bias = arrays["bn1.bias"][5] - arrays["bn1.running_mean"][5] * gain[5]
    assert float(network.weights["conv1"]["bias"][5]) == pytest.approx(float(bias), rel=1e-4)
    assert float(network.weights["fc"]["kernel"][0, 0, 9, 8]) == float(arrays["fc.weight"][8, 9])
    with pytest.raises(SelectionError, match="camera"):
        open_network(f"resnet18:{tmp_path / 'model.safetensors'}", camera="primary")


def test_a_file_of_another_network_is_refused(tmp_path: Path):
    save_file({"conv1.weight": np.zeros((64, 3, 3, 3), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"conv1.weight is \(64, 3, 3, 3\), not \(64, 3, 7, 7\).* is missing"):
        load_resnet18(tmp_path / "model.safetensors")


def test_another_file_is_refused(tmp_path: Path):
    with pytest.raises(OctoscopeError):
        load_resnet18(tmp_path / "none.safetensors")
