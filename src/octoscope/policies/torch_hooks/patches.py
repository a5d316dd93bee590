"""PyTorch's functions of attention replaced for as long as a block runs, wherever a module looks them up."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

Function = Callable[..., Any]
_PLACES: tuple[tuple[Any, str], ...] = (
    (functional, "softmax"),
    (torch, "softmax"),
    (torch.Tensor, "softmax"),
    (functional, "scaled_dot_product_attention"),
    (torch, "_transformer_encoder_layer_fwd"),
    (torch, "_native_multi_head_attention"),
)


@contextlib.contextmanager
def patched(module: torch.nn.Module, wrapper_of: Callable[[str, Function], Function]) -> Iterator[None]:
    """Puts wrappers in the place of what computes attention, and puts everything back.

    Args:
      module: Where the files that its parts come from hold such a function by a name of their own (`from torch.nn.functional import
        softmax`), they are given the wrapper too.
      wrapper_of: Makes one, of the function's name and the function.
    """
    own = {place: vars(place[0]).get(place[1]) for place in _PLACES}
    originals = {place: getattr(*place) for place in _PLACES}
    wrappers = {place: wrapper_of(place[1], original) for place, original in originals.items()}
    by_function = {id(original): wrappers[place] for place, original in originals.items()}
    files = {
        sys.modules[each.__module__]
        for part in module.modules()
        for each in type(part).__mro__
        if each.__module__ in sys.modules
    }
    borrowed = [
        (file, name, value)
        for file in files - {functional, torch}
        for name, value in list(vars(file).items())
        if callable(value) and id(value) in by_function
    ]
    try:
        for (owner, name), wrapper in wrappers.items():
            setattr(owner, name, wrapper)
        for file, name, value in borrowed:
            setattr(file, name, by_function[id(value)])
        yield
    finally:
        for file, name, value in borrowed:
            setattr(file, name, value)
        for (owner, name), original in own.items():
            # What a class inherits is not given to it.
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
