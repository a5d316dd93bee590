"""How many forwards of a policy were done, for who shows how far a long piece of work has come."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Outcome = TypeVar("Outcome")
# Of this thread of work; whoever asked for the innermost count hears of it.
_TOLD: ContextVar[Callable[[int], Any] | None] = ContextVar("forwards", default=None)


@contextlib.contextmanager
def counting_forwards(told: Callable[[int], Any]) -> Iterator[None]:
    """Tells, while the block runs, of forwards that were done since it was told last.

    >>> counts = []
    >>> with counting_forwards(counts.append):
    ...     forwards_done(3)
    >>> forwards_done(1)
    >>> counts
    [3]
    """
    before = _TOLD.set(told)
    try:
        yield
    finally:
        _TOLD.reset(before)


def forwards_done(count: int) -> None:
    """Says that so many inputs went through a policy; nobody has to listen."""
    if count and (told := _TOLD.get()):
        told(count)


def counted(act: Callable[Arguments, Outcome]) -> Callable[Arguments, Outcome]:
    """Counts what a method does for each of its first argument's entries, but for what it tells of itself, batch by batch.

    Args:
      act: `act(self, inputs, ...)`, one forward for each input.
    """

    @functools.wraps(act)
    def counting(*arguments: Arguments.args, **named: Arguments.kwargs) -> Outcome:
        if _TOLD.get() is None:
            return act(*arguments, **named)
        batches: list[int] = []

        def told(count: int) -> None:
            batches.append(count)
            outer(count)

        outer = _TOLD.get() or batches.append
        with counting_forwards(told):
            outcome = act(*arguments, **named)
        inputs: Any = arguments[1] if len(arguments) > 1 else named["inputs"]
        forwards_done(len(inputs) - sum(batches))
        return outcome

    return counting
