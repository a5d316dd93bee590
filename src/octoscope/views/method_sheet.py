"""The sheet of maps through the layers: each method beside raw attention, on a scale of its own, sinks outlined."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool
from octoscope.attention.maps import AttentionMap
from octoscope.faithfulness.method_maps import MethodMaps
from octoscope.faithfulness.methods import KEY_METHODS
from octoscope.render.color_scale import ColorScale
from octoscope.render.outline import SINK
from octoscope.render.scale_strip import ScaleStrip
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.views.attention_sheet import describe_run, map_row_label

_TILE = 144
_MOST_NAMED = 8
_FOOTNOTE = (
    "Each column has a scale of its own from 0, under it: brightness can be compared within a column, not between columns. Values are as "
    "the method gives them, nothing is clipped or rescaled. A sink of this query is a patch whose token, in some layer, "
    "gets at least 5 even weights on average over the episode, varying by at most half of that. Sinks are marked, not removed. None of "
    "these maps shows by itself what the action depends on."
)


def method_maps_sheet(found: MethodMaps) -> Sheet:
    """Returns a row for each frame of the window, a column for each method, and under each column its scale.

    Hatched patches may not be looked at, padded history is greyed out. A dashed outline marks patches that are sinks; sinks that are no
    patches (words, the readout itself) stand in the subtitle.

    Args:
      found: From `method_maps`.
    """
    maps = {method: found.maps(method) for method in found.values}
    scales = {method: ColorScale(vmax=_largest(found, method)) for method in maps}
    rows = []
    for place, first in enumerate(next(iter(maps.values()))):
        tiles = [Tile("recorded", first.frame, dimmed=first.padded)]
        for method, of_method in maps.items():
            one = of_method[place]
            tile = Tile(
                method,
                one.frame,
                heat=one.weights[0],
                box=one.box,
                valid=one.valid,
                dimmed=one.padded,
                # A padded frame is looked at by nobody, and its word must be readable.
                outline=None if one.padded else _sink_region(found, one),
                mark=SINK,
                scale=scales[method],
                note=f"sum {np.nansum(one.on_scene):.2g}",
            )
            tiles.append(tile)
        rows.append(SheetRow(map_row_label(first, next(iter(maps.values()))), tiles))
    strips = [ScaleStrip(scales[method], KEY_METHODS[method]) for method in maps]
    rows.append(SheetRow("scales", [None, *strips]))
    return Sheet(
        rows=rows,
        title=f"Maps of {found.query.label}: step {found.step} of 0..{found.run.manifest['episode_length'] - 1}",
        subtitle=[*describe_run(found.run), *found.remarks, _sink_line(found)],
        tile_size=_TILE,
        footnote=_FOOTNOTE,
    )


render_method_maps = drawn(method_maps_sheet)


def _largest(found: MethodMaps, method: str) -> float:
    drawn_cells = [(one, one.valid if one.shown is None else one.valid & one.shown) for one in found.maps(method)]
    values = [one.weights[0][cells] for one, cells in drawn_cells if cells.any()]
    return max((float(np.nanmax(part)) for part in values), default=0.0) or 1.0


def _sink_region(found: MethodMaps, one: AttentionMap) -> Bool[np.ndarray, "height width"] | None:
    """Returns the pixels of the frame that lie in patches of this map that are sinks; None for none."""
    timestep = found.run.layout.window - 1 - one.steps_back
    start = found.run.layout.find_spans(one.group, timestep=timestep)[0].start
    rows, columns = one.weights.shape[1:]
    cells = np.zeros((rows, columns), bool)
    for sink in found.sinks:
        if 0 <= sink.key - start < cells.size:
            cells[np.unravel_index(sink.key - start, cells.shape)] = True
    if not cells.any():
        return None
    top, left, bottom, right = one.box
    inside, places = [], []
    for pixels, low, high, count in (
        (one.frame.shape[0], top, bottom, rows),
        (one.frame.shape[1], left, right, columns),
    ):
        at = np.floor((np.arange(pixels) + 0.5 - low) / (high - low) * count).astype(int)
        inside.append((at >= 0) & (at < count))
        places.append(np.clip(at, 0, count - 1))
    return cells[np.ix_(*places)] & inside[0][:, None] & inside[1][None]


def _sink_line(found: MethodMaps) -> str:
    best: dict[str, tuple[float, list[int]]] = {}
    for sink in found.sinks:
        times, layers = best.get(sink.token, (0.0, []))
        best[sink.token] = (max(times, sink.times_uniform), [*layers, sink.layer])
    if not best:
        return f"no sinks over {len(found.run.steps)} steps"
    order = sorted(best, key=lambda name: -best[name][0])
    named = [_sink_text(name, *best[name]) for name in order[:_MOST_NAMED]]
    more = f", and {len(order) - _MOST_NAMED} more" if len(order) > _MOST_NAMED else ""
    return f"sinks over {len(found.run.steps)} steps: {'; '.join(named)}{more}"


def _sink_text(name: str, times: float, layers: Sequence[int]) -> str:
    return f"{name} (layer {', '.join(str(layer) for layer in sorted(layers))}; up to {times:.0f} even weights)"
