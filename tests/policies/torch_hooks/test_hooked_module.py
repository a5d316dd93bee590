"""A PyTorch module of one's own: the example of docs/pytorch.md, and everything that reads the runs it makes."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import ObservationError, SelectionError
from octoscope.interventions.descriptions import BlankCamera, CoverPatches, MaskKeys, Nothing
from octoscope.interventions.intervene import intervene
from octoscope.policies.bind import bind
from octoscope.policies.noise import Noise
from octoscope.runs.run import Run
from octoscope.runs.verify import verify_run
from octoscope.tokens.token_source import TokenSource

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from octoscope.policies.torch_hooks.found_tokens import HookedStack  # noqa: E402
from octoscope.policies.torch_hooks.hooked_policy import HookedPolicy  # noqa: E402

DOCS = Path(__file__).parents[3] / "docs" / "pytorch.md"


@pytest.fixture(scope="module")
def example():
    """What the worked example of the docs makes."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (code,) = [each for each in blocks if "class MyPolicy" in each]
    torch.manual_seed(0)
    names: dict = {}
    exec(compile(code, str(DOCS), "exec"), names)
    return names


def test_the_example_of_the_docs(example, tmp_path):
    policy, episode = example["policy"], example["episode"]
    run = osc.attend(policy, episode, tmp_path / "mine.zarr", options=osc.WatchOptions(dtype="float32"))
    run = Run.open(tmp_path / "mine.zarr")
    assert verify_run(run) == []
    assert run.manifest["framework"]["name"] == "torch"
    weights = run.attention("action", step=1)
    assert weights.shape == example["run"].attention("action", step=0).shape == (2, 4, 5, 22)
    assert (weights[..., 17:] == 0).all()
    with torch.inference_mode():
        plain = example["forward"](_inputs(policy, episode)).numpy()
    np.testing.assert_array_equal(run.actions[1], plain)
    assert osc.render_sheet(run, step=1, layer=1).std() > 1


def _inputs(policy, episode):
    return bind(policy, episode).at(1)


def test_the_weights_are_the_modules_own(example):
    policy, module = example["policy"], example["module"]
    inputs = _inputs(policy, example["episode"])
    run = osc.attend(policy, example["episode"], options=osc.WatchOptions(dtype="float32"))
    seen = {}
    handle = module.decoder.layers[1].multihead_attn.register_forward_pre_hook(
        lambda _module, given: seen.update(given=given)
    )
    with torch.inference_mode():
        example["forward"](inputs)
        handle.remove()
        truth = module.decoder.layers[1].multihead_attn(*seen["given"], average_attn_weights=False)[1][0]
    np.testing.assert_allclose(run.attention("action", step=1)[1, :, :, :17], truth.numpy(), atol=1e-6)


def test_the_example_is_ablated(example):
    asked = [
        Nothing(),
        BlankCamera("front"),
        CoverPatches("front", ((1, 2),)),
        MaskKeys(group="state"),
        MaskKeys("front"),
    ]
    effects = intervene(example["policy"], example["episode"], 1, asked, noises=2, controls=1)
    assert effects.effects[0].size == 0.0
    assert all(effect.size > 0 for effect in effects.effects[1:])
    assert effects.noise_floor == 0.0


def test_a_module_that_nobody_described_has_tokens_that_are_counted(example):
    policy = HookedPolicy(dataclasses.replace(example["policy"].program, groups=(), stacks=()))
    run = osc.attend(policy, example["episode"], options=osc.WatchOptions(dtype="float32"))
    assert verify_run(run) == []
    assert [(s.name, s.num_layers, s.num_heads, s.num_passes) for s in run.stacks] == [
        ("decoder.layers.*.self_attn", 2, 4, 1),
        ("decoder.layers.*.multihead_attn", 2, 4, 1),
    ]
    named = osc.attend(example["policy"], example["episode"], options=osc.WatchOptions(dtype="float32"))
    counted = run.attention(run.query_groups[-1], step=0)[..., run.layout.places(run.stacks[-1].key_groups)]
    np.testing.assert_array_equal(counted, named.attention("action", step=0)[..., :17])


def test_what_does_not_fit_the_module_is_said(example):
    program = example["policy"].program
    few = [("image_front", 15, TokenSource("image", ("image_front",), grid=(3, 5))), *program.groups[1:]]
    with pytest.raises(SelectionError, match=r"from 5 tokens to 16.*attends from 5 to 17 with 4"):
        osc.attend(HookedPolicy(dataclasses.replace(program, groups=few)), example["episode"])
    nowhere = [HookedStack("encoder", "encoder.*.attn", ("action",), ("action",))]
    with pytest.raises(
        SelectionError, match=r"No module of 'encoder' attends.*decoder\.layers\.\*\.self_attn \(5 x 5\)"
    ):
        osc.attend(HookedPolicy(dataclasses.replace(program, stacks=nowhere)), example["episode"])
    inputs = dataclasses.replace(_inputs(example["policy"], example["episode"]), kept=np.arange(3))
    with pytest.raises(ObservationError, match="cannot be dropped"):
        example["policy"].act([inputs], Noise(0, 0))


def test_what_a_module_draws_goes_by_the_name_of_the_noise(example):
    def noisy(inputs):
        return example["forward"](inputs) + torch.randn(5, 2)

    policy = HookedPolicy(dataclasses.replace(example["policy"].program, forward=noisy, deterministic=False))
    inputs = _inputs(policy, example["episode"])
    state = torch.random.get_rng_state()
    first, second, other = policy.act([inputs] * 3, [Noise(0, 1), Noise(0, 1), Noise(0, 1, 1)])
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(policy.watch(inputs, Noise(0, 1), []).actions, first)
    assert torch.equal(state, torch.random.get_rng_state())


def test_passes_are_told_apart(example):
    class Repeated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = example["module"]

        def forward(self, image, state):
            return self.inner(image, state) + self.inner(1 - image, state)

    module = Repeated().eval()

    def forward(inputs):
        image = torch.from_numpy(inputs.images["front"][-1]).permute(2, 0, 1)[None].float() / 255
        return module(image, torch.from_numpy(inputs.numbers["state"][-1])[None])[0]

    program = example["policy"].program
    stacks = [dataclasses.replace(each, sites=f"inner.{each.sites}") for each in program.stacks]
    policy = HookedPolicy(dataclasses.replace(program, module=module, forward=forward, stacks=stacks))
    run = osc.attend(policy, example["episode"], options=osc.WatchOptions(dtype="float32", passes="all"))
    assert [stack.num_passes for stack in run.stacks] == [2, 2]
    assert verify_run(run) == []
