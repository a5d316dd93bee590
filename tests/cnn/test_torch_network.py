"""PyTorch modules as networks: the same gradients as jax, every kind of ReLU caught, nothing left behind."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_network

from octoscope.cnn.activation_maps.activation_maps import CAM_METHODS, activation_map
from octoscope.cnn.filters.maximization import maximize_filters
from octoscope.cnn.filters.maximization_settings import CLASSIC, CLEAR
from octoscope.cnn.networks.objectives import mean_of
from octoscope.cnn.saliency.saliency import METHODS, filter_saliency
from octoscope.cnn.saliency.sanity_check import sanity_check
from octoscope.errors import SelectionError

torch = pytest.importorskip("torch")

from octoscope.cnn.activation_maps.torch_class_score import torch_class_score  # noqa: E402
from octoscope.cnn.networks.torch_network import TorchNetwork  # noqa: E402


class Small(torch.nn.Module):
    """The small network of the jax tests, with ReLUs called in different ways."""

    def __init__(self, relus: str) -> None:
        super().__init__()
        network = small_network()
        self.conv1, self.conv2 = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 5, 3, padding=1)
        for name, conv in (("conv1", self.conv1), ("conv2", self.conv2)):
            held = network.weights[name]
            conv.weight.data = torch.from_numpy(np.array(jnp.transpose(held["kernel"], (3, 2, 0, 1))))
            conv.bias.data = torch.from_numpy(np.array(held["bias"]))
        self.relu = torch.nn.ReLU(inplace=relus == "in-place module")
        self.pool = torch.nn.MaxPool2d(2)
        self.out = torch.nn.Identity()
        self.relus = relus

    def rectified(self, values):
        return {
            "module": self.relu,
            "in-place module": self.relu,
            "functional": torch.nn.functional.relu,
            "functional in place": lambda seen: torch.nn.functional.relu(seen, inplace=True),
            "method": lambda seen: seen.relu(),
            "method in place": lambda seen: seen.relu_(),
        }[self.relus](values)

    def forward(self, seen):
        return self.out(self.rectified(self.conv2(self.pool(self.rectified(self.conv1(seen))))))


KINDS = ("module", "in-place module", "functional", "functional in place", "method", "method in place")


def torch_network(relus: str = "module") -> TorchNetwork:
    return TorchNetwork(Small(relus), input_size=(12, 12), mean=(120.0,) * 3, std=(60.0,) * 3)


def picture() -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, (12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("relus", KINDS)
@pytest.mark.parametrize("method", ["gradient", "guided", "deconvnet"])
def test_every_kind_of_relu_goes_back_as_in_jax(relus, method):
    objectives = [mean_of(number) for number in range(5)]
    ours = METHODS[method](small_network(), picture(), "relu2", objectives)
    theirs = METHODS[method](torch_network(relus), picture(), "out", objectives)
    assert sum(np.abs(one.values).max() > 0 for one in ours) >= 2
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(other.values, one.values, rtol=1e-4, atol=1e-7)
        assert other.score == pytest.approx(one.score, rel=1e-5)


def test_a_map_is_that_before_an_in_place_relu():
    activation = torch_network("in-place module").activation(jnp.asarray(picture())[None], "conv1")
    expected = small_network().activation(jnp.asarray(picture())[None], "conv1")
    assert float(activation.min()) < 0
    np.testing.assert_allclose(np.asarray(activation), np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails):
    network = torch_network("in-place module")
    module = network.module
    module.train()
    module.conv2.eval()
    module.conv1.bias.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    if fails:
        with pytest.raises(RuntimeError):
            network.activation(jnp.zeros((1, 12, 12, 5)), "out")
    else:
        filter_saliency(network, picture(), "out", [0, 1])
        network.randomized(("conv1",), seed=0)
    assert all(not part._forward_hooks and not part._backward_hooks for part in module.modules())
    assert [module.training, module.conv1.training, module.conv2.training] == [True, True, False]
    assert [module.conv1.weight.requires_grad, module.conv1.bias.requires_grad] == [True, False]
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    # The rule is gone too: the module's own gradient is the plain one.
    values = torch.tensor([-1.0, 2.0], requires_grad=True)
    torch.nn.functional.relu(values).backward(torch.tensor([-1.0, -1.0]))
    assert values.grad.tolist() == [0.0, -1.0]


def test_a_shared_relu_has_a_layer_for_each_call():
    names = [layer.name for layer in torch_network("module").layers]
    assert names == ["conv1", "relu", "pool", "conv2", "relu#2", "out"]


def test_no_relu_is_said_instead_of_a_plain_gradient():
    network = TorchNetwork(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.GELU()), input_size=(8, 8))
    with pytest.raises(SelectionError, match="would be the plain gradient"):
        filter_saliency(network, picture()[:8, :8], "1", [0])
    with pytest.raises(SelectionError, match="Did you mean 'conv1'"):
        torch_network().activation(jnp.zeros((1, 12, 12, 3)), "conv11")
    with pytest.raises(SelectionError, match="cannot be cut"):
        torch_network().forward_to("conv1")


@pytest.mark.parametrize("settings", [CLASSIC, CLEAR], ids=["classic", "clear"])
def test_filters_get_the_pictures_that_they_get_in_jax(settings):
    short, before = replace(settings, steps=4, octaves=1), torch_network().module.conv1.weight.clone()
    network = torch_network("in-place module")
    found = maximize_filters(network, "conv2", objectives=[1, 3], settings=short)
    expected = maximize_filters(small_network(), "conv2", objectives=[1, 3], settings=short)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.levels, other.levels, atol=0.05)
        assert one.score == pytest.approx(other.score, rel=1e-3)
    assert torch.equal(network.module.conv1.weight, before)


def test_what_is_asked_of_a_convolution_is_brought_to_its_input_once():
    network, images = torch_network("in-place module"), jnp.stack([picture(), picture()[::-1]])
    cotangents = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 6, 5)), jnp.float32)
    runs = []
    hook = network.module.conv2.register_forward_hook(lambda *_: runs.append(1))
    pull = network.pull_back_of("conv2", cotangents, images)
    runs.clear()
    pulled = pull(images)
    assert runs == []
    hook.remove()
    np.testing.assert_allclose(pulled, network.pull_back(images, "conv2", cotangents), rtol=1e-4, atol=1e-7)
    assert not network.module.conv2._forward_pre_hooks


def test_bfloat16_is_close_and_says_so():
    rounded = TorchNetwork(
        Small("module"), input_size=(12, 12), mean=(120.0,) * 3, std=(60.0,) * 3, note="small", precision="bfloat16"
    )
    assert rounded.note == "small; convolutions and products in bfloat16"
    found, expected = (
        np.stack([one.values for one in filter_saliency(network, picture(), "out", range(5), method="gradient")])
        for network in (rounded, torch_network())
    )
    assert 1e-6 < np.abs(found - expected).max() / np.abs(expected).max() < 0.05
    assert rounded.module.conv1.weight.dtype is torch.float32


def test_the_sanity_check_leaves_the_module_alone():
    network = torch_network()
    before = network.module.conv1.weight.clone()
    _, stages = sanity_check(
        network, "out", lambda one: filter_saliency(one, picture(), "out", [1])[0].values, stages=2
    )
    assert [stage.layer for stage in stages] == ["conv2", "conv1"]
    assert torch.equal(network.module.conv1.weight, before)


def test_class_activation_maps_of_a_module():
    head = torch.nn.Sequential(
        Small("module"), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(5, 3)
    )
    network = TorchNetwork(head, input_size=(12, 12), mean=(120.0,) * 3, std=(60.0,) * 3)
    score = torch_class_score(network, picture(), 2, layer="0")
    weights = head[3].weight[2].detach().numpy()
    found = activation_map(score, "gradcam")
    np.testing.assert_allclose(found.weights, weights / 36, rtol=1e-4)
    ablated = activation_map(score, "ablationcam").weights
    np.testing.assert_allclose(
        ablated, weights * np.asarray(score.activation[0]).mean(axis=(0, 1)), rtol=1e-3, atol=1e-5
    )
    assert activation_map(score, "scorecam").heat.shape == (6, 6)


def classifier():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.Conv2d(6, 4, 3)),
        *(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 5)),
    )


def maps_of(module) -> list[np.ndarray]:
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    network = TorchNetwork(module, input_size=(24, 24))
    score = torch_class_score(network, picture, 2, layer="3")
    maps = [np.asarray(activation_map(score, method).heat) for method in CAM_METHODS]
    return maps + [filter_saliency(network, picture, "3", [1], method=method)[0].values for method in METHODS]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_maps_of_its_weights_in_float32(dtype):
    module = classifier().to(dtype)
    maps = maps_of(module)
    assert all(abs(each).max() > 0 for each in maps)
    for ours, theirs in zip(maps, maps_of(classifier().to(dtype).float()), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert {each.dtype for each in module.state_dict().values()} == {dtype, torch.int64}
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert f"weights of {str(dtype)[6:]}, run in float32" in TorchNetwork(module, input_size=(24, 24)).note


def test_double_precision_has_the_same_maps():
    module = classifier().double()
    for ours, theirs in zip(maps_of(module), maps_of(classifier()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * abs(theirs).max())
    assert TorchNetwork(module, input_size=(24, 24)).module is module


def test_inference_mode_has_the_same_maps():
    wanted = maps_of(classifier())
    with torch.inference_mode():
        made, halved = classifier(), maps_of(classifier().half())
        called = maps_of(classifier().requires_grad_(True))
    for maps in (maps_of(made), called):
        for ours, theirs in zip(maps, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(halved, maps_of(classifier().half()), strict=True):
        np.testing.assert_array_equal(ours, theirs)
