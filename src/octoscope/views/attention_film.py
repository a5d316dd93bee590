"""The film: one frame per step, all layers and heads over the current frame, on one colour scale from first to last."""

from collections.abc import Iterator, Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.attention.maps import attention_maps, captured_spans
from octoscope.attention.query import QueryRow, find_query
from octoscope.render.sheet import Film, Sheet, SheetRow
from octoscope.render.sheet_page import render_sheet
from octoscope.render.tile import Tile
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import (
    check_heads,
    check_layers,
    describe_run,
    map_tiles,
    stack_title,
)
from octoscope.views.weight_scale import WeightScale, even_weight, weight_scale

# Tiles shrink when there are many layers or heads, so that a frame fits a screen.
_FEW_LAYERS, _MANY_LAYERS = 4, 12
# Of the tiles of a row, and of what may stand beside them: nobody prints a film.
_WIDEST, _GAP, _BESIDE = 1700, 8, 340


def attention_film(
    run: Run,
    *,
    query: str | QueryRow | None = None,
    layers: Sequence[int] | None = None,
    camera: str | None = None,
    heads: Sequence[int] | None = None,
    scale: str = "even",
) -> Film:
    """Returns one sheet per step of the run, in the order of its steps.

    On top the frame as recorded. Then a row is one layer: raw attention weights over the frame's patches, mean and maximum over all
    heads, then each head.
    One scale holds for all tiles of all steps, which ends at what is largest in the whole run. Earlier frames of the window are on the
    sheets, not in the film;
    "sum" tells how much of the attention lies on the frame shown. A camera that several tokenizers look through has a row for
    each of them.

    Args:
      run: The run.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      layers: Only these; all by default.
      camera: A film shows one camera; the first by default.
      heads: Only these; all by default.
      scale: How weights become colours: "even", "linear", "log" or "tile", see `WeightScale`.

    Raises:
      SelectionError: If the query, a layer, the camera, a head or the scale does not exist.
    """
    row = find_query(run.layout, query)
    layers = check_layers(run, layers)
    heads = check_heads(run, heads)
    camera = captured_spans(run.layout, run.key_groups)[0][0] if camera is None else camera
    current = [run.layout.window - 1]
    shared = weight_scale(run, row, kind=scale, layers=layers, camera=camera, timesteps=current)
    tile_size = 160 if len(layers) <= _FEW_LAYERS else 104 if len(layers) <= _MANY_LAYERS else 72
    tile_size = min(tile_size, _WIDEST // (len(heads) + 2) - _GAP)
    title = f"{row.label} attends to {camera}{stack_title(run)}"

    def frame(step: int) -> Sheet:
        return Sheet(
            rows=_layer_rows(run, row, shared, step=step, layers=layers, camera=camera, heads=heads),
            title=f"{title}: step {step} of 0..{run.manifest['episode_length'] - 1}",
            subtitle=describe_run(run),
            bar=shared.bar(even_weight(run, row, step=step), over="the whole film"),
            tile_size=tile_size,
            footnote=shared.caption(),
            widest=_WIDEST + _BESIDE,
        )

    return Film((frame(step) for step in run.steps), title)


def attention_film_frames(
    run: Run,
    *,
    query: str | QueryRow | None = None,
    layers: Sequence[int] | None = None,
    camera: str | None = None,
    heads: Sequence[int] | None = None,
    scale: str = "even",
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yields the frames of `attention_film`, which takes the same arguments, as pictures."""
    film = attention_film(run, query=query, layers=layers, camera=camera, heads=heads, scale=scale)
    yield from map(render_sheet, film.frames)


def _layer_rows(
    run: Run,
    query: QueryRow,
    scale: WeightScale,
    *,
    step: int,
    layers: Sequence[int],
    camera: str,
    heads: Sequence[int],
) -> list[SheetRow]:
    rows: list[SheetRow] = []
    for layer in layers:
        maps = attention_maps(run, query, step=step, layer=layer, camera=camera)
        # More than one where several tokenizers look through the camera.
        current = [found for found in maps if found.steps_back == 0]
        if not rows:
            rows.append(SheetRow(camera, [Tile("recorded", current[0].frame)]))
        for found in current:
            several = f" {found.group}" if len(current) > 1 else ""
            rows.append(
                SheetRow(f"layer {layer}{several}", [*map(scale.on, map_tiles(found, heads, with_frame=False))])
            )
    return rows
