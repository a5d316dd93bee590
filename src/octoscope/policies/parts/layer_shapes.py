"""The shapes of a text layer with gated MLP, as PyTorch stores it."""


def gated_layer_shapes(
    name: str, *, dim: int, source: int, inner: int, keys: int, intermediate: int
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a text layer's projections, without its norms.

    Args:
      name: What stands before each.
      dim: Entries of a token.
      source: Entries of what keys and values are made of.
      inner: Entries of all query heads.
      keys: Entries of all key heads.
      intermediate: Inner entries of the MLP.
    """
    return {
        f"{name}self_attn.q_proj.weight": (inner, dim),
        f"{name}self_attn.k_proj.weight": (keys, source),
        f"{name}self_attn.v_proj.weight": (keys, source),
        f"{name}self_attn.o_proj.weight": (dim, inner),
        f"{name}mlp.gate_proj.weight": (intermediate, dim),
        f"{name}mlp.up_proj.weight": (intermediate, dim),
        f"{name}mlp.down_proj.weight": (dim, intermediate),
    }
