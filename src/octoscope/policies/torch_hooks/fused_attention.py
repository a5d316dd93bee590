"""The weights of attention that PyTorch computes without keeping them, from what it computes them from."""

from collections.abc import Sequence
from typing import Any

import torch  # pyright: ignore[reportMissingImports]

from octoscope.errors import ObservationError


def product_attention_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    rows: Sequence[int] | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Returns the weights of `scaled_dot_product_attention`, of some of its rows, in float32; a row without keys is 0, as there.

    Args:
      query: (..., head, query, channel).
      key: (..., head, key, channel), of fewer heads with `enable_gqa`.
      mask: True where a key is seen, or what is added to the logits.
      rows: Wanted queries; None for all.
      is_causal: Whether a query sees no key behind its own place.
      scale: Of the logits; by default one over the root of the channels.
      enable_gqa: Whether several heads of queries share one of keys.
    """
    whole = torch.zeros(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device)
    chosen = slice(None) if rows is None else rows
    logits = query.detach()[..., chosen, :].float()
    keys = key.detach().float()
    if enable_gqa:
        keys = keys.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    logits = logits @ keys.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        logits = logits.masked_fill(causal_mask(whole)[chosen], float("-inf"))
    if mask is not None:
        part = mask.detach().expand(*mask.shape[:-2], *whole.shape)[..., chosen, :]
        logits = logits.masked_fill(~part, float("-inf")) if part.dtype == torch.bool else logits + part
    return logits.softmax(-1).nan_to_num(0.0)


def causal_mask(like: torch.Tensor) -> torch.Tensor:
    """Returns True where a key lies behind its query's place, of the shape of a mask."""
    return torch.ones_like(like, dtype=torch.bool).triu(1)


def with_hidden_keys(hidden: torch.Tensor, mask: torch.Tensor | None, *more: torch.Tensor | None) -> torch.Tensor:
    """Returns a mask for `scaled_dot_product_attention` that hides keys besides those that its own does."""
    for each in more:
        hidden = hidden if each is None else hidden | each
    if mask is None:
        return ~hidden
    return mask & ~hidden if mask.dtype == torch.bool else mask.masked_fill(hidden, float("-inf"))


def encoder_layer_weights(
    layer: Any, source: torch.Tensor, mask: torch.Tensor | None, kind: int | None
) -> torch.Tensor:
    """Returns the weights of an `nn.TransformerEncoderLayer` that runs as one fused function.

    Args:
      layer: The layer.
      source: What goes into it.
      mask: What it masks.
      kind: 0 for (query, key), 1 for (batch, key), 2 for (batch, head, query, key).

    Raises:
      ObservationError: If sequences of several lengths are packed, so that no two have the same keys.
    """
    if source.is_nested:
        raise ObservationError(
            "`nn.TransformerEncoder` packs its padded batch (nested tensors), where attention has no one number of keys. Make it with "
            "`enable_nested_tensor=False`."
        )
    seen = layer.norm1(source) if layer.norm_first else source
    if kind == 2 and mask is not None:
        mask = mask.expand(len(mask), layer.self_attn.num_heads, source.shape[1], -1).flatten(0, 1)
    masks = {"key_padding_mask": mask} if kind == 1 else {"attn_mask": mask}
    return layer.self_attn(seen, seen, seen, need_weights=True, average_attn_weights=False, **masks)[1]
