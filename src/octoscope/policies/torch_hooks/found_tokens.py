"""The stacks of a module that nobody described, as far as watching it tells: who attends, how often, from how many tokens at how many."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.errors import SelectionError
from octoscope.policies.torch_hooks.attention_watch import AttentionCall
from octoscope.policies.torch_hooks.torch_program import HookedTokens
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource


@dataclass(frozen=True)
class FoundStack:
    """Layers of one kind: modules whose names differ in a number alone, of equally many heads, queries and keys."""

    # "encoder.layers.*.self_attn".
    name: str
    sites: tuple[str, ...]
    heads: int
    queries: int
    keys: int
    # How often each is called in one forward.
    passes: int


def find_stacks(calls: Sequence[AttentionCall]) -> tuple[FoundStack, ...]:
    """Returns the stacks of one forward, in the order in which they first attend.

    >>> seen = [AttentionCall(f"layers.{at}.attn", np.ones((1, 2, 3, 5), np.float32)) for at in (0, 1, 0, 1)]
    >>> find_stacks(seen)
    (FoundStack(name='layers.*.attn', sites=('layers.0.attn', 'layers.1.attn'), heads=2, queries=3, keys=5, passes=2),)
    """
    sites: dict[tuple[str, tuple[int, ...]], dict[str, int]] = {}
    for call in calls:
        key = (re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", call.site) or "module", call.weights.shape[1:])
        counts = sites.setdefault(key, {})
        counts[call.site] = counts.get(call.site, 0) + 1
    stacks: list[FoundStack] = []
    for (name, (heads, queries, keys)), counts in sites.items():
        # Layers of one name that are called differently often are stacks of their own.
        for passes in dict.fromkeys(counts.values()):
            chosen = tuple(site for site, count in counts.items() if count == passes)
            again = sum(each.name.partition(" ")[0] == name for each in stacks)
            stacks.append(FoundStack(f"{name} {again + 1}" if again else name, chosen, heads, queries, keys, passes))
    return tuple(stacks)


@dataclass(frozen=True, eq=False)
class HookedStack:
    """One stack as a user describes it: which modules are its layers, and which tokens look at which."""

    name: str
    # Names of the modules, in order; "*" stands for the numbers 0, 1, ... of layers: "decoder.layers.*.cross_attn".
    sites: str | tuple[str, ...]
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    # Who may look at whom, over the tokens of those groups; None: everybody at everybody.
    rules: np.ndarray | None = None


def described_tokens(
    groups: Sequence[tuple[str, int, TokenSource]],
    stacks: Sequence[HookedStack],
    found: Sequence[FoundStack],
    *,
    window: int,
) -> HookedTokens:
    """Returns a user's tokens, with heads, layers and passes as they were seen.

    Args:
      groups: Name, number of tokens and source of each, in order.
      stacks: As the user describes them; the last one acts.
      found: What was seen in one forward.
      window: Timesteps that the policy is given.

    Raises:
      SelectionError: If a stack names no module that attends, or tokens of another number than it attends from or to.
    """
    layout = TokenLayout.assemble(groups, [], window=window)
    made: list[AttentionStack] = []
    sites: dict[str, tuple[str, ...]] = {}
    for stack in stacks:
        parts = [(site, each) for each in found for site in each.sites if _matches(stack.sites, site)]
        seen = "; ".join(f"{each.name} ({each.queries} x {each.keys})" for each in found) or "nowhere"
        if not parts:
            raise SelectionError(f"No module of '{stack.name}' attends: {stack.sites}. Attention was seen in: {seen}.")
        shape = (len(layout.places(stack.queries)), len(layout.places(stack.keys)))
        for site, each in parts:
            if (each.queries, each.keys) != shape or (each.heads, each.passes) != (
                parts[0][1].heads,
                parts[0][1].passes,
            ):
                raise SelectionError(
                    f"'{stack.name}' goes from {shape[0]} tokens to {shape[1]} with {parts[0][1].heads} heads, but '{site}' attends from "
                    f"{each.queries} to {each.keys} with {each.heads}. Attention was seen in: {seen}."
                )
        sites[stack.name] = tuple(site for site, _ in parts)
        rules = np.ones(shape, bool) if stack.rules is None else np.asarray(stack.rules, bool)
        made.append(
            AttentionStack(
                stack.name,
                len(parts),
                parts[0][1].heads,
                stack.queries,
                stack.keys,
                Rules.of(rules),
                num_passes=parts[0][1].passes,
            )
        )
    return HookedTokens(layout.with_stacks(made), sites)


def found_tokens(found: Sequence[FoundStack], *, window: int) -> HookedTokens:
    """Returns tokens that are known by their number alone: nothing can be drawn of them, but shares, heads and hidden keys are right."""
    groups: dict[str, tuple[str, int, TokenSource]] = {}
    stacks: list[HookedStack] = []
    for stack in found:
        names = [f"{stack.name}: tokens"] * 2
        if stack.queries != stack.keys:
            names = [f"{stack.name}: queries", f"{stack.name}: keys"]
        for name, size in zip(names, (stack.queries, stack.keys), strict=True):
            groups[name] = (name, size, TokenSource("mixed", (name,)))
        stacks.append(HookedStack(stack.name, stack.sites, (names[0],), (names[1],)))
    return described_tokens(list(groups.values()), stacks, found, window=window)


def _matches(pattern: str | tuple[str, ...], site: str) -> bool:
    if not isinstance(pattern, str):
        return site in pattern
    return re.fullmatch(re.escape(pattern).replace(r"\*", r"\d+"), site) is not None
