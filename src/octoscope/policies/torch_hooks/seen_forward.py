"""One forward of a program, watched once for inputs of a kind: which stacks there are, and how long a chunk is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch  # pyright: ignore[reportMissingImports]

from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.torch_hooks.attention_watch import watch_attention
from octoscope.policies.torch_hooks.found_tokens import FoundStack, find_stacks


@dataclass(frozen=True)
class SeenForward:
    """What one forward showed."""

    stacks: tuple[FoundStack, ...]
    horizon: int
    dim: int


@dataclass(eq=False)
class SeenForwards:
    """Remembers it by the shapes of the inputs and by the words, on which the number of tokens may depend."""

    _kept: dict[tuple[object, ...], SeenForward] = field(default_factory=dict)

    def of(
        self, module: torch.nn.Module, inputs: PolicyInputs, run: Callable[[PolicyInputs], torch.Tensor]
    ) -> SeenForward:
        """Returns what a forward on inputs like these shows, watching one where none was seen yet."""
        shapes = {name: value.shape for name, value in (*inputs.images.items(), *inputs.numbers.items())}
        key = (tuple(sorted(shapes.items())), inputs.instruction)
        if key not in self._kept:
            with watch_attention(module) as watch:
                horizon, dim = run(inputs).shape
            self._kept[key] = SeenForward(find_stacks(watch.calls), horizon, dim)
        return self._kept[key]

    def any(self) -> SeenForward | None:
        """Returns what some forward showed; None where none was seen yet."""
        return next(iter(self._kept.values()), None)
