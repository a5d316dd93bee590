"""PyTorch modules run as they are and left as they were, and their outputs as arrays of jax; needs the extra `[torch]`."""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import torch  # pyright: ignore[reportMissingImports]
from jaxtyping import Array
from torch.nn import functional  # pyright: ignore[reportMissingImports]
from torch.overrides import TorchFunctionMode  # pyright: ignore[reportMissingImports]

from octoscope.cnn.networks.network import ReluRule

_OUT_OF_PLACE: tuple[Callable[..., Any], ...] = (torch.relu, torch.Tensor.relu)
_IN_PLACE: tuple[Callable[..., Any], ...] = (torch.relu_, torch.Tensor.relu_)


@contextlib.contextmanager
def with_gradients() -> Iterator[None]:
    """Lets gradients be followed in the block, whatever the caller has switched off."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def differentiable(module: torch.nn.Module) -> tuple[torch.nn.Module, str]:
    """Returns the module, or a copy in float32 that gradients pass through, and what pictures must say of it."""
    tensors = [*module.parameters(), *module.buffers()]
    halves = {
        str(each.dtype).removeprefix("torch.") for each in tensors if each.dtype in (torch.float16, torch.bfloat16)
    }
    if not halves and not any(each.is_inference() for each in tensors):
        return module, ""
    # A copy that is made outside of inference has gradients.
    with torch.inference_mode(mode=False):
        copied = copy.deepcopy(module)
        return (
            (copied.float(), f"weights of {' and '.join(sorted(halves))}, run in float32") if halves else (copied, "")
        )


@contextlib.contextmanager
def undisturbed(module: torch.nn.Module, on_output: Callable[[str, Any], Any]) -> Iterator[None]:
    """Runs the block with the module in eval mode, frozen and watched, and puts all of it back."""
    calls: dict[str, int] = {}

    def hook(name: str, _module: Any, _inputs: Any, output: Any) -> Any:
        calls[name] = calls.get(name, 0) + 1
        return on_output(name if calls[name] == 1 else f"{name}#{calls[name]}", output)

    modes = [(part, part.training) for part in module.modules()]
    frozen = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    hooks = [part.register_forward_hook(functools.partial(hook, name)) for name, part in module.named_modules() if name]
    try:
        for part, _ in modes:
            part.training = False
        for parameter, _ in frozen:
            parameter.requires_grad_(False)
        yield
    finally:
        for handle in hooks:
            handle.remove()
        for part, mode in modes:
            part.training = mode
        for parameter, needed in frozen:
            parameter.requires_grad_(needed)


def laid_out(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Returns rows, columns and channels: maps as they are, tokens as rows of one column, vectors as one unit."""
    if len(shape) == 4:
        return shape[2], shape[3], shape[1]
    return (shape[1], 1, shape[2]) if len(shape) == 3 else (1, 1, shape[1])


def to_jax(output: torch.Tensor) -> Array:
    """Returns an output with rows, columns and channels, see `laid_out`."""
    if output.ndim == 4:
        return nhwc(output)
    return jnp.asarray(output.detach().float().cpu().numpy()).reshape(len(output), *laid_out(tuple(output.shape)))


def nhwc(maps: torch.Tensor) -> Array:
    """Returns maps (batch, channel, row, column) as jax has them, channels last."""
    return jnp.asarray(maps.detach().permute(0, 2, 3, 1).float().cpu().numpy())


class ReluRules(TorchFunctionMode):
    """While active, ReLUs in this thread go back by the rule, guided backprop's or deconvnet's; counts them.

    Calls are caught where PyTorch dispatches functions (`TorchFunctionMode`), not by hooks on `nn.ReLU`: so functional, in-place and
    shared ReLUs are caught as well, and nothing is written to the module. Not caught are ReLUs inside scripted or compiled modules and
    fused kernels, nor other activations (ReLU6, GELU, SiLU, clamp), which keep their own gradient.
    """

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
        positive = cotangent.clamp(min=0)
        return (positive * was_positive if ctx.rule == "guided" else positive), None, None
