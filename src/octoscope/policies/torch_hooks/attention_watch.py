"""Every attention that a PyTorch module computes, seen while it computes it; what comes out of the module is the same, bit for bit.

Nothing is written to the module, and no layer is called otherwise than it would be. For as long as the block runs, these are wrapped where
they are looked up: `softmax` (eager attention, `nn.MultiheadAttention` that gives weights), `scaled_dot_product_attention`, and the fused
layers of `nn.TransformerEncoder`. A softmax shows its own result; of the others, which keep no weights, they are computed again beside.

Not seen is attention of kernels that are no part of PyTorch (flash-attn, xformers), of `flex_attention`, and of compiled or scripted
modules.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from octoscope.array_typing import Bool, Float32
from octoscope.errors import ObservationError
from octoscope.policies.torch_hooks.fused_attention import (
    causal_mask,
    encoder_layer_weights,
    product_attention_weights,
    with_hidden_keys,
)
from octoscope.policies.torch_hooks.patches import patched
from octoscope.policies.torch_hooks.running_module import RunningModule

# What modules call the number of their heads.
_HEADS = ("num_heads", "n_heads", "num_attention_heads", "n_head", "nhead", "heads")


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One attention: softmax over keys, for each head and query."""

    # Name of the module that it belongs to: "encoder.layers.0.self_attn".
    site: str
    # Of the wanted queries; in float32, whatever it was computed in.
    weights: Float32[np.ndarray, "batch head query key"]


@dataclass
class AttentionWatch:
    """What was seen; and, of each site, which rows are kept and which keys are hidden."""

    # By site, the wanted queries (None for all of them); None for every site.
    wanted: Mapping[str, Sequence[int] | None] | None = None
    # By site, keys that its queries may not see.
    hidden: Mapping[str, Bool[np.ndarray, "query key"]] = field(default_factory=dict)
    calls: list[AttentionCall] = field(default_factory=list)
    # Every site that attended, in order, kept or not.
    sites: list[str] = field(default_factory=list)


@contextlib.contextmanager
def watch_attention(
    module: torch.nn.Module,
    *,
    wanted: Mapping[str, Sequence[int] | None] | None = None,
    hidden: Mapping[str, Bool[np.ndarray, "query key"]] | None = None,
) -> Iterator[AttentionWatch]:
    """Watches every attention of a module in the block, from this thread.

    Args:
      module: Run it in the block, as you would without.
      wanted: By the name of a site, its rows that are kept, None for all; by default every row of every site.
      hidden: By the name of a site, True where a key is hidden from a query, in every head and every call. Nothing hidden changes no
        bit; with keys hidden, `nn.TransformerEncoder` does not take its fused layers, which moves the last digits.

    Raises:
      ObservationError: If the module is compiled, or a mask does not fit the attention that it is for.

    >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> with watch_attention(attention) as watch:
    ...     _ = attention(*[torch.ones(1, 5, 8)] * 3)
    >>> watch.calls[0].weights.shape
    (1, 2, 5, 5)
    """
    _refuse_compiled(module)
    watch = AttentionWatch(wanted, hidden or {})
    with RunningModule.followed(module) as running:
        wrappers = _Wrappers(watch, running)
        with patched(module, wrappers.of), _without_fused_layers(off=bool(watch.hidden)):
            yield watch


@dataclass
class _Wrappers:
    """What stands in the place of PyTorch's functions."""

    watch: AttentionWatch
    running: RunningModule
    # True inside of a function that is wrapped: what it calls is part of it.
    inside: bool = False
    thread: int = field(default_factory=threading.get_ident)

    def of(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Returns what is called instead of a function of PyTorch."""
        chosen = {
            "softmax": self._softmax,
            "scaled_dot_product_attention": self._product,
            "_transformer_encoder_layer_fwd": self._encoder_layer,
            "_native_multi_head_attention": self._native,
        }[name]

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if self.inside or threading.get_ident() != self.thread:
                return original(*args, **kwargs)
            self.inside = True
            try:
                return chosen(original, *args, **kwargs)
            finally:
                self.inside = False

        return wrapped

    def _softmax(self, original: Callable[..., Any], values: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        axis = kwargs.get("dim", args[0] if args else None)
        if not isinstance(values, torch.Tensor) or values.ndim < 3 or axis not in (-1, values.ndim - 1):
            return original(values, *args, **kwargs)
        site = self.running.site
        hidden = self._hidden(site, values.shape[-2], values.shape[-1], values.device)
        if hidden is not None:
            values = values.masked_fill(hidden, torch.finfo(values.dtype).min)
        weights = original(values, *args, **kwargs)
        self._keep(site, lambda rows: weights.detach() if rows is None else weights.detach()[..., rows, :])
        return weights

    def _product(
        self,
        original: Callable[..., Any],
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **kwargs: Any,
    ) -> torch.Tensor:
        site = self.running.site
        hidden = self._hidden(site, query.shape[-2], key.shape[-2], query.device)
        if hidden is not None:
            attn_mask, is_causal = (
                with_hidden_keys(hidden, attn_mask, causal_mask(hidden) if is_causal else None),
                False,
            )
        output = original(query, key, value, attn_mask, dropout_p, is_causal, **kwargs)
        self._keep(
            site,
            lambda rows: product_attention_weights(query, key, attn_mask, rows=rows, is_causal=is_causal, **kwargs),
        )
        return output

    def _native(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        # Of (query, key, value, embed_dim, heads, 4 parameters, mask), then whether weights are wanted, their mean, the kind of mask.
        again = {**kwargs, "need_weights": True, "average_attn_weights": False}
        rest = args[12:] if len(args) > 12 else (kwargs.get("mask_type"),)
        again = {name: each for name, each in again.items() if name != "mask_type"} | {"mask_type": rest[0]}
        self._keep(self.running.site, lambda rows: _rows(original(*args[:10], **again)[1], rows))
        return output

    def _encoder_layer(self, original: Callable[..., Any], source: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        output = original(source, *args, **kwargs)
        layer = self.running.module
        # The last two are the mask and its kind.
        mask, kind = args[-2:]
        self._keep(
            f"{self.running.name}.self_attn" if self.running.name else "self_attn",
            lambda rows: _rows(encoder_layer_weights(layer, source, mask, kind), rows),
        )
        return output

    def _keep(self, site: str, weights_of: Callable[[Sequence[int] | None], torch.Tensor]) -> None:
        self.watch.sites.append(site)
        wanted = self.watch.wanted
        if wanted is not None and site not in wanted:
            return
        with torch.no_grad():
            weights = weights_of(None if wanted is None or wanted[site] is None else list(wanted[site] or ()))
        self.watch.calls.append(AttentionCall(site, _by_head(weights, self.running.heads_of(site, _HEADS))))

    def _hidden(self, site: str, queries: int, keys: int, device: Any) -> torch.Tensor | None:
        mask = self.watch.hidden.get(site)
        if mask is None or not mask[:, :keys].any():
            return None
        # A layer that looks at some of its stack's keys alone takes their part of the mask.
        if mask.shape[0] != queries or mask.shape[1] < keys:
            raise ObservationError(
                f"Keys are hidden in '{site}' by a mask {mask.shape}, but it looks from {queries} at {keys} tokens."
            )
        return torch.as_tensor(np.ascontiguousarray(mask[:, :keys]), device=device)


def _rows(weights: torch.Tensor, rows: Sequence[int] | None) -> torch.Tensor:
    return weights if rows is None else weights[..., rows, :]


def _by_head(weights: torch.Tensor, heads: int) -> Float32[np.ndarray, "batch head query key"]:
    *front, queries, keys = weights.shape
    if len(front) == 1:
        # Batch and heads lie in one axis, or there is but one head.
        front = [front[0] // heads, heads] if heads and front[0] % heads == 0 else [front[0], 1]
    shape = (int(np.prod(front[:-1])), front[-1], queries, keys)
    return weights.reshape(shape).float().cpu().numpy().copy()


@contextlib.contextmanager
def _without_fused_layers(*, off: bool) -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    if off:
        torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _refuse_compiled(module: torch.nn.Module) -> None:
    for name, part in module.named_modules():
        compiled = [key for key, each in vars(part).items() if hasattr(each, "_torchdynamo_orig_callable")]
        whole = (
            type(part).__name__ in ("OptimizedModule", "RecursiveScriptModule") or part._compiled_call_impl is not None
        )
        if whole or compiled:
            where = ".".join(each for each in (name, *compiled[:1]) if each)
            raise ObservationError(
                f"{where or 'The module'} is compiled, so that its attention cannot be seen. Load it without: `compile_model: false` in a "
                "LeRobot config.json, or leave out `torch.compile`."
            )
