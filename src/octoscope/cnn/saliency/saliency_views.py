"""Saliency as pictures: colour, grey, positive and negative, each with the scale that its brightness has."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.errors import SelectionError
from octoscope.render.lettering import short_number

ViewKind = Literal["color", "gray", "positive", "negative"]
VIEWS: tuple[ViewKind, ...] = get_args(ViewKind)


@dataclass(frozen=True, eq=False)
class SaliencyView:
    """One picture of saliency and what its brightness means."""

    kind: ViewKind
    picture: UInt8[np.ndarray, "height width 3"]
    # The value shown at full brightness; 0 where there is nothing to show.
    top: float
    # Whether larger values are cut off at `top`.
    clipped: bool

    @property
    def scale(self) -> str:
        """The scale in words, for under a tile."""
        if self.top == 0.0:
            return "all zero"
        above = ">" if self.clipped else ""
        top = short_number(self.top)
        return f"-{top} to {above}{top}" if self.kind == "color" else f"0 to {above}{top}"


def saliency_view(
    values: Float[np.ndarray, "height width 3"], kind: ViewKind, *, percentile: float = 100.0, top: float | None = None
) -> SaliencyView:
    """Returns one view of saliency, scaled by its own largest value unless told otherwise.

    * color: each colour's own value; middle grey is 0, white is the largest magnitude, black its negative. One scale for all three colours.
    * gray: the sum of the magnitudes over the colours; black is 0, white the largest sum.
    * positive: what raises the score, max(value, 0), colour by colour; black is 0, full colour the largest value.
    * negative: what lowers it, max(-value, 0), likewise.

    Positive and negative have scales of their own, so their brightness cannot be compared; the numbers under them can.

    Args:
      values: Of a `Saliency`.
      kind: Which view.
      percentile: Where the scale ends; below 100 the few largest values are cut off, and the scale says so with ">".
      top: The value at full brightness instead, to give several pictures one scale.

    Raises:
      SelectionError: If the kind is unknown, or the percentile is not in 50..100.

    >>> saliency_view(np.array([[[0.0, 2.0, -1.0]]]), "color").picture.tolist()
    [[[128, 255, 64]]]
    >>> saliency_view(np.array([[[0.0, 2.0, -1.0]]]), "negative").scale
    '0 to 1'
    """
    if kind not in VIEWS:
        raise SelectionError(f"A view of saliency must be one of {', '.join(VIEWS)}, got '{kind}'.")
    if not 50.0 <= percentile <= 100.0:
        raise SelectionError(f"`percentile` must be in 50..100, got {percentile:g}.")
    shown = _shown(values.astype(np.float64), kind)
    magnitude = np.abs(shown)
    largest = float(magnitude.max(initial=0.0))
    end = top if top is not None else largest if percentile == 100.0 else float(np.percentile(magnitude, percentile))
    end = end or largest
    fraction = np.clip(shown / end, -1.0, 1.0) if end else np.zeros_like(shown)
    levels = 127.5 + 127.5 * fraction if kind == "color" else 255.0 * fraction
    picture = np.floor(np.broadcast_to(levels, values.shape) + 0.5).astype(np.uint8)
    return SaliencyView(kind, picture, end, largest > end * (1 + 1e-6))


def _shown(values: Float[np.ndarray, "height width 3"], kind: ViewKind) -> np.ndarray:
    if kind == "gray":
        return np.abs(values).sum(axis=-1, keepdims=True)
    if kind == "color":
        return values
    return np.maximum(values if kind == "positive" else -values, 0.0)
