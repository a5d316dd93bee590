"""Which tokens a policy has and which attention looks from which to which, without a word on what is in them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from octoscope.errors import SelectionError
from octoscope.tokens.receptive_field import ReceptiveField


@dataclass(frozen=True)
class TokenGroup:
    """Neighbouring tokens of one source."""

    # "latent", "state", "environment_state", "image_CAMERA", "language", "padding" or "action".
    name: str
    # Place of the first among the queries or keys of a stack.
    start: int
    size: int
    # The camera's feature, for cells of a picture.
    camera: str | None = None
    # Rows and columns of its cells.
    grid: tuple[int, int] | None = None
    # What a cell sees, where convolutions alone lead to it: its own `stride` pixels are a small part of it.
    field: ReceptiveField | None = None

    @property
    def stop(self) -> int:
        """Place behind the last."""
        return self.start + self.size


@dataclass(frozen=True)
class AttentionStack:
    """Attention layers over one set of queries and keys."""

    name: str
    layers: int
    heads: int
    queries: tuple[TokenGroup, ...]
    keys: tuple[TokenGroup, ...]
    # Layers whose weights no input can change.
    constant_layers: tuple[int, ...] = ()
    # Layers whose rows no action depends on.
    idle_layers: tuple[int, ...] = ()
    # Forwards that make one action: denoising steps.
    passes: int = 1


def hidden_mask(stack: AttentionStack, mask: Bool[np.ndarray, "..."] | None) -> Bool[np.ndarray, "query key"]:
    """Returns a mask of a stack's keys for each query; None hides nothing.

    Args:
      stack: Whose keys are hidden.
      mask: True hides: (key) from all queries, (query, key) from some.

    Raises:
      SelectionError: If the mask has another shape, or leaves a query no key.
    """
    shape = (stack.queries[-1].stop, stack.keys[-1].stop)
    if mask is None:
        return np.zeros(shape, bool)
    if mask.shape not in (shape, shape[1:]):
        raise SelectionError(f"A mask of '{stack.name}' has the shape {shape[1:]} or {shape}, got {mask.shape}.")
    whole = np.array(np.broadcast_to(mask, shape))
    if whole.all(axis=1).any():
        raise SelectionError(f"A mask of '{stack.name}' leaves a query no key to look at.")
    return whole
