"""A stack: a tower of attention layers over a set of queries and a set of keys of one layout."""

from dataclasses import dataclass

from octoscope.tokens.rules import Rules


@dataclass(frozen=True)
class AttentionStack:
    """One tower: Octo has one, over all its tokens; ACT's encoder looks at itself, and its decoder at itself and at the encoder."""

    # "transformer", "encoder", "decoder.cross".
    name: str
    num_layers: int
    # Of each layer.
    num_heads: int
    # Groups whose tokens look, and groups whose tokens are looked at; in sequence order.
    query_groups: tuple[str, ...]
    key_groups: tuple[str, ...]
    # Over the tokens of those groups, in sequence order.
    rules: Rules
    # Forwards that make one action: denoising steps. Weights of each are told apart.
    num_passes: int = 1
    # Layers whose weights depend on no input at all, the same for every picture: ACT's first decoder self-attention.
    constant_layers: tuple[int, ...] = ()
    # Layers whose rows no action depends on: the last of SmolVLA's prefix.
    idle_layers: tuple[int, ...] = ()
