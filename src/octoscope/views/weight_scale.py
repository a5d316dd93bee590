"""How attention weights become colours: four scales, each named on the bar that stands beside the tiles."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from octoscope.attention.maps import captured_spans, visible_keys
from octoscope.attention.query import QueryRow
from octoscope.errors import SelectionError, nearest
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.tile import Tile
from octoscope.runs.run import Run

ScaleKind = Literal["even", "linear", "log", "tile"]
SCALES: tuple[ScaleKind, ...] = get_args(ScaleKind)

# Decades of a logarithmic scale below its top.
_DECADES = 3
# A scale of multiples reaches at least this high, so that what is nearly even looks so.
_LEAST_MULTIPLE = 4.0
_READ = {
    "even": "In colour: the frame, where a patch gets less than if all tokens got the same. Brighter: more; equal steps of colour are "
    "equal ratios.",
    "linear": "Brighter: the query attends more to that patch. Grey shows the scene where weights are low.",
    "log": f"Brighter: the query attends more to that patch; equal steps of colour are equal ratios, over {_DECADES} decades. Grey shows "
    "the scene where weights are lower.",
    "tile": "Brighter: the query attends more to that patch than to others of the same tile. Each tile is stretched to its own largest "
    "weight: do not compare tiles by colour.",
}
_BARS = (
    " Bars: shares of all attention that go to tokens which no picture shows, on one scale; blue: under even attention."
)
_NO_PROOF = " Attention alone does not show what the action depends on."


@dataclass(frozen=True)
class WeightScale:
    """One scale for many tiles.

    * "even": multiples of even attention on a logarithmic scale from 1 to the largest; the frame in colour where a patch gets less.
    * "linear": weights from 0 to the largest.
    * "log": weights over three decades up to the largest.
    * "tile": each tile from 0 to its own largest weight.
    """

    kind: ScaleKind
    # The largest weight, in "even" the largest multiple of even attention; means nothing in "tile".
    top: float

    def bar(self, even: float, *, over: str) -> ColorBar:
        """Returns the bar of a sheet.

        Args:
          even: The weight that every key would get under even attention, at the step that the sheet is of.
          over: What the scale is one for: "this layer, all steps".

        >>> WeightScale("even", 64.0).bar(0.005, over="all steps").scale
        ColorScale(vmin=0.005, vmax=0.32, cmap='magma', spacing='log', clear_below=True)
        """
        one = f"one scale for {over}"
        if self.kind == "even":
            scale = ColorScale(vmin=even, vmax=even * self.top, spacing="log", clear_below=True)
            return ColorBar(scale, f"attention in multiples of even (log), {one}", even, multiples=True)
        if self.kind == "log":
            scale = ColorScale(vmin=self.top / 10**_DECADES, vmax=self.top, spacing="log")
            return ColorBar(scale, f"attention weight (log), {one}", even)
        if self.kind == "tile":
            return ColorBar(ColorScale(vmax=1.0), "fraction of each tile's own largest weight")
        return ColorBar(ColorScale(vmax=self.top), f"attention weight, {one}", even)

    def on(self, tile: Tile, *, even: float | None = None) -> Tile:
        """Returns a tile as this scale shows it: stretched, and labelled so, where each tile has its own.

        Args:
          tile: As it is made.
          even: Even attention of this tile, where it is not that of the sheet's bar: multiples hold for all tiles, weights for the bar's.
        """
        if tile.heat is None:
            return tile
        if self.kind == "even" and even is not None:
            return dataclasses.replace(tile, scale=self.bar(even, over="").scale)
        if self.kind != "tile":
            return tile
        largest = float(tile.known_heat().max(initial=0.0))
        return dataclasses.replace(tile, scale=ColorScale(vmax=largest or 1.0), note=f"max {largest:.3g}")

    def caption(self, *, bars: bool = False) -> str:
        """Returns what to read tiles by, and bars where there are any, and what they do not show."""
        return _READ[self.kind] + _BARS * bars + _NO_PROOF


def weight_scale(
    run: Run,
    query: QueryRow,
    *,
    kind: str,
    layers: Sequence[int],
    vmax: float | None = None,
    camera: str | None = None,
    timesteps: Sequence[int] | None = None,
) -> WeightScale:
    """Returns the scale that layers share, which ends at the largest weight on any patch over all steps of the run.

    Args:
      run: The run.
      query: Whose attention.
      kind: One of `SCALES`.
      layers: Of these layers.
      vmax: The weight, in "even" the multiple, that the scale ends at instead.
      camera: Of this camera; all by default.
      timesteps: Of these timesteps of the window; all by default.

    Raises:
      SelectionError: If there is no such scale, or `vmax` cannot be its end.
    """
    if vmax is not None:
        return _ending_at(checked_scale(kind), vmax)
    scales = weight_scales(run, query, kind=kind, layers=layers, camera=camera, timesteps=timesteps)
    return max(scales.values(), key=lambda scale: scale.top)


def weight_scales(
    run: Run,
    query: QueryRow,
    *,
    kind: str,
    layers: Sequence[int],
    camera: str | None = None,
    timesteps: Sequence[int] | None = None,
) -> dict[int, WeightScale]:
    """Returns the scale of each layer by itself, reading every step once; arguments and errors are those of `weight_scale`."""
    kind = checked_scale(kind)
    spans = [span for _, span in captured_spans(run.layout, run.key_groups, camera)]
    spans = [span for span in spans if timesteps is None or run.layout.time_of(span) in timesteps]
    # Patches on padding around a frame are not drawn, and no scale is theirs.
    places = np.concatenate([span.start + np.flatnonzero(span.source.shows_scene()) for span in spans])
    largest = np.zeros(len(layers))
    for step in run.steps if kind != "tile" else ():
        weights = query.weights(run, step=step, layers=layers)
        visible = visible_keys(run, query, step=step)
        tops = weights[..., places[visible[places]]].max(axis=(1, 2), initial=0.0)
        largest = np.maximum(largest, tops * max(1, int(visible.sum())) if kind == "even" else tops)
    return {layer: scale_of_largest(kind, float(top)) for layer, top in zip(layers, largest, strict=True)}


def even_weight(run: Run, query: QueryRow, *, step: int) -> float:
    """Returns the weight that every key would get if the query looked at all it may look at alike."""
    return 1.0 / max(1, int(visible_keys(run, query, step=step).sum()))


def checked_scale(kind: str) -> ScaleKind:
    """Returns the name of a scale again.

    Raises:
      SelectionError: If there is none of that name.
    """
    for known in SCALES:
        if known == kind:
            return known
    raise SelectionError(f"`scale` must be one of {', '.join(SCALES)}, got '{kind}'.{nearest(kind, SCALES)}")


def scale_of_largest(kind: str, largest: float) -> WeightScale:
    """Returns the scale that ends at the largest weight, in "even" at the largest multiple of even attention.

    Raises:
      SelectionError: If there is no scale of that name.
    """
    kind = checked_scale(kind)
    # A map that is nothing but masked needs some scale to be drawn at all.
    return WeightScale(kind, max(largest, _LEAST_MULTIPLE) if kind == "even" else largest or 1.0)


def _ending_at(kind: ScaleKind, vmax: float) -> WeightScale:
    lowest = 1.0 if kind == "even" else 0.0
    if not (np.isfinite(vmax) and vmax > lowest):
        unit = "a multiple of even attention" if kind == "even" else "a weight"
        raise SelectionError(f"`vmax` must be {unit} above {lowest:g} on the scale '{kind}', got {vmax}.")
    if kind == "tile":
        raise SelectionError("Each tile has its own end on the scale 'tile': leave out `vmax`, or take another scale.")
    return WeightScale(kind, vmax)
