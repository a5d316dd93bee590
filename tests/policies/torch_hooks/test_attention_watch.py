"""Every kind of attention that PyTorch has is seen, exactly, and not a bit of what comes out is changed."""

import numpy as np
import pytest

from octoscope.errors import ObservationError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from torch.nn import functional  # noqa: E402
from torch.nn.functional import softmax as borrowed_softmax  # noqa: E402

from octoscope.policies.torch_hooks.attention_watch import watch_attention  # noqa: E402


class Attention(torch.nn.Module):
    """Attention of 4 heads over 16 numbers, its core called in different ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.num_heads = how, 4
        self.qkv, self.out = torch.nn.Linear(16, 48), torch.nn.Linear(16, 16)
        self.normalize = torch.nn.Softmax(dim=-1)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, 4, 4).permute(2, 0, 3, 1, 4)
        if self.how == "sdpa":
            mixed = functional.scaled_dot_product_attention(q, k, v)
        elif self.how == "sdpa causal":
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        elif self.how == "sdpa grouped":
            mixed = functional.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
        elif self.how == "flattened heads":
            logits = (q.flatten(0, 1) / 2) @ k.flatten(0, 1).transpose(1, 2)
            mixed = (functional.softmax(logits, -1) @ v.flatten(0, 1)).unflatten(0, (batch, 4))
        else:
            logits = q @ k.transpose(-1, -2) / 2
            weights = {
                "function": lambda: functional.softmax(logits, dim=-1),
                "torch": lambda: torch.softmax(logits, 3),
                "method": lambda: logits.softmax(-1),
                "module": lambda: self.normalize(logits),
                "borrowed": lambda: borrowed_softmax(logits, dim=-1),
            }[self.how]()
            mixed = weights @ v
        return self.out(mixed.transpose(1, 2).flatten(2))

    def expected(self, x):
        q, k, _ = self.qkv(x).reshape(*x.shape[:2], 3, 4, 4).permute(2, 0, 3, 1, 4)
        k = k[:, :2].repeat_interleave(2, 1) if self.how == "sdpa grouped" else k
        logits = q @ k.transpose(-1, -2) / 2
        if self.how == "sdpa causal":
            logits = logits.masked_fill(torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
        exponents = logits.exp()
        return (exponents / exponents.sum(-1, keepdim=True)).detach().numpy()


KINDS = ("function", "torch", "method", "module", "borrowed", "flattened heads", "sdpa", "sdpa causal", "sdpa grouped")


def made(build):
    torch.manual_seed(0)
    return build().eval()


def tokens(count=5, batch=2):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(batch, count, 16)).astype(np.float32))


def watched(module, *inputs, **arguments):
    """Returns what was seen; the output is the same bits before, during and after."""
    with torch.inference_mode():
        before = module(*inputs)
        with watch_attention(module, **arguments) as watch:
            during = module(*inputs)
        after = module(*inputs)
    first = [each[0] if isinstance(each, tuple) else each for each in (before, during, after)]
    assert torch.equal(first[0], first[2])
    return watch, torch.equal(first[0], first[1])


@pytest.mark.parametrize("how", KINDS)
def test_weights_are_those_of_the_forward(how):
    module, x = made(lambda: Attention(how)), tokens()
    watch, same = watched(module, x)
    assert same
    assert [call.site for call in watch.calls] == [""]
    np.testing.assert_allclose(watch.calls[0].weights, module.expected(x), atol=1e-6)


@pytest.mark.parametrize("how", KINDS)
def test_hidden_keys_are_exactly_zero_and_nothing_hidden_changes_nothing(how):
    module, x = made(lambda: Attention(how)), tokens()
    hidden = np.zeros((5, 5), bool)
    assert watched(module, x, hidden={"": hidden})[1]
    hidden[2:, 1] = True
    watch, same = watched(module, x, hidden={"": hidden})
    assert not same
    weights, plain = watch.calls[0].weights, module.expected(x)
    assert (weights[:, :, 2:, 1] == 0).all()
    left = plain * ~hidden
    np.testing.assert_allclose(weights, left / left.sum(-1, keepdims=True), atol=1e-6)
    with pytest.raises(ObservationError, match=r"mask \(4, 4\), but it looks from 5 at 5 tokens"):
        watched(module, x, hidden={"": np.ones((4, 4), bool)})


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(wanted, batch_first):
    attention = made(lambda: torch.nn.MultiheadAttention(16, 4, batch_first=batch_first))

    class Asked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            return self.attention(x, x, x, need_weights=wanted)[0]

    x = tokens() if batch_first else tokens().transpose(0, 1).contiguous()
    watch, same = watched(made(Asked), x)
    assert same
    truth = attention(x, x, x, average_attn_weights=False)[1].detach().numpy()
    assert watch.calls[0].site == "attention"
    np.testing.assert_allclose(watch.calls[0].weights, truth, atol=1e-6)


@pytest.mark.parametrize("masked", ["nothing", "causal", "padding"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_fused_layers_of_an_encoder(masked, norm_first):
    layer = made(lambda: torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first))
    encoder = made(lambda: torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    masks = {
        "nothing": {},
        "causal": {"mask": torch.nn.Transformer.generate_square_subsequent_mask(5), "is_causal": True},
        "padding": {"src_key_padding_mask": padding},
    }[masked]

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, x):
            return self.encoder(x, **masks)

    watch, same = watched(made(Masked), tokens())
    assert same
    assert [call.site for call in watch.calls] == [f"encoder.layers.{layer}.self_attn" for layer in (0, 1)]
    # The slow way, which gives its weights.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        slow, _ = watched(made(Masked), tokens())
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    for fused, plain in zip(watch.calls, slow.calls, strict=True):
        np.testing.assert_allclose(fused.weights, plain.weights, atol=1e-6)
        np.testing.assert_allclose(fused.weights.sum(-1), 1, atol=1e-6)
    if masked != "nothing":
        assert (watch.calls[0].weights[1, :, 0, 3:] == 0).all()


def test_rows_that_are_wanted_of_sites_that_are_wanted():
    decoder = made(
        lambda: torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(16, 4, 32, batch_first=True), 2)
    )
    x, memory = tokens(), tokens(7)
    everything, _ = watched(decoder, x, memory)
    assert [call.site for call in everything.calls] == [
        f"layers.{layer}.{kind}" for layer in (0, 1) for kind in ("self_attn", "multihead_attn")
    ]
    watch, same = watched(decoder, x, memory, wanted={"layers.1.multihead_attn": (4, 0)})
    assert same
    assert watch.sites == everything.sites
    (call,) = watch.calls
    np.testing.assert_array_equal(call.weights, everything.calls[3].weights[:, :, [4, 0]])


def test_an_outer_module_that_calls_the_projections_of_its_layers_attends_in_them():
    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(Attention("function") for _ in range(2))

        def forward(self, x):
            for layer in self.layers:
                q, k, v = layer.qkv(x).chunk(3, -1)
                x = layer.out(functional.softmax((q @ k.transpose(1, 2))[:, None], -1)[:, 0] @ v)
            return x

    watch, same = watched(made(Outer), tokens())
    assert same
    assert [call.site for call in watch.calls] == ["layers.0", "layers.1"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", ["function", "sdpa"])
def test_half_precision(how, dtype):
    module = made(lambda: Attention(how)).to(dtype)
    watch, same = watched(module, tokens().to(dtype))
    assert same
    assert watch.calls[0].weights.dtype == np.float32
    np.testing.assert_allclose(watch.calls[0].weights, made(lambda: Attention(how)).expected(tokens()), atol=0.02)


def test_what_is_no_attention_is_not_taken_for_one():
    class Head(torch.nn.Module):
        def forward(self, x):
            return functional.softmax(x[:, 0], -1) + functional.softmax(x, 1)[:, 0]

    watch, same = watched(Head(), tokens())
    assert same
    assert watch.calls == []


def test_everything_is_put_back_after_an_error():
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Attention("function")

        def forward(self, x):
            self.inner(x)
            raise RuntimeError("broken")

    before = (functional.softmax, torch.softmax, torch.Tensor.softmax, functional.scaled_dot_product_attention)
    module = Broken().eval()
    with pytest.raises(RuntimeError, match="broken"), watch_attention(module) as watch:
        module(tokens())
    assert len(watch.calls) == 1
    after = (functional.softmax, torch.softmax, torch.Tensor.softmax, functional.scaled_dot_product_attention)
    assert before == after
    assert "softmax" not in vars(torch.Tensor) or vars(torch.Tensor)["softmax"] is before[2]
    assert not module._forward_hooks
    assert not torch.nn.modules.module._global_forward_hooks
    module.inner(tokens())
    assert len(watch.calls) == 1


def test_compiled_modules_are_refused():
    module = Attention("function")
    module.compile(backend="eager")
    with (
        pytest.raises(ObservationError, match="is compiled, so that its attention cannot be seen"),
        watch_attention(module),
    ):
        pass
    holder = torch.nn.Module()
    holder.inner = Attention("function")
    holder.inner.sample = torch.compile(lambda x: x, backend="eager")
    with pytest.raises(ObservationError, match=r"inner\.sample is compiled"), watch_attention(holder):
        pass
