"""Guided backprop and deconvnet for any PyTorch module: every ReLU call gets the rule while the module runs, and none afterwards.

Calls are caught where PyTorch dispatches functions (`TorchFunctionMode`), not by hooks on `nn.ReLU`: so functional, in-place and shared
ReLUs are caught as well, and nothing is written to the module. Not caught are ReLUs inside scripted or compiled modules and fused kernels,
nor other activations (ReLU6, GELU, SiLU, clamp), which keep their own gradient.
"""

from collections.abc import Callable
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]
from torch.overrides import TorchFunctionMode  # pyright: ignore[reportMissingImports]

from octoscope.cnn.networks.network import ReluRule

_OUT_OF_PLACE: tuple[Callable[..., Any], ...] = (torch.relu, torch.Tensor.relu)
_IN_PLACE: tuple[Callable[..., Any], ...] = (torch.relu_, torch.Tensor.relu_)


class ReluRules(TorchFunctionMode):
    """While active, ReLUs in this thread go back by the rule; counts them."""

    def __init__(self, rule: ReluRule) -> None:
        """Starts with no ReLU seen."""
        super().__init__()
        self.rule = rule
        self.seen = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs a function of PyTorch, a ReLU by the rule."""
        kwargs = dict(kwargs or {})
        if func is functional.relu:
            arguments = dict(zip(("input", "inplace"), args, strict=False)) | kwargs
            return self._relu(arguments["input"], in_place=bool(arguments.get("inplace", False)))
        if func in _OUT_OF_PLACE or func in _IN_PLACE:
            return self._relu(args[0] if args else kwargs["input"], in_place=func in _IN_PLACE)
        return func(*args, **kwargs)

    def _relu(self, values: torch.Tensor, *, in_place: bool) -> torch.Tensor:
        self.seen += 1
        if self.rule == "plain":
            return torch.relu_(values) if in_place else torch.relu(values)
        return _RuledRelu.apply(values, self.rule, in_place)  # pyright: ignore[reportReturnType]


class _RuledRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rule: str, in_place: bool) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.rule = rule
        if in_place:
            # The caller may go on with the tensor it gave: it must hold the positive part, as after nn.ReLU(inplace=True).
            values.relu_()
            ctx.mark_dirty(values)
            positive = values
        else:
            positive = values.relu()
        ctx.save_for_backward(positive > 0)
        return positive

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (was_positive,) = ctx.saved_tensors
        kept = cotangent.clamp(min=0)
        return (kept * was_positive if ctx.rule == "guided" else kept), None, None
