"""The film: one frame per step, all layers and heads over the current frame, on one colour scale from first to last."""

from collections.abc import Iterator, Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import QueryRow, find_query
from octoscope.pictures.attention_sheet import check_heads, describe_run, largest_weight, map_tiles
from octoscope.render.color_scale import ColorScale
from octoscope.render.sheet import SheetRow, render_sheet
from octoscope.render.tile import Tile
from octoscope.runs.run import Run

# Tiles shrink when there are many rows, so that a frame fits a screen.
_FEW_ROWS, _MANY_ROWS = 5, 13


def attention_film_frames(
    run: Run,
    *,
    query: str | QueryRow | None = None,
    layers: Sequence[int] | None = None,
    camera: str | None = None,
    heads: Sequence[int] | None = None,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yields one picture per step of the run, in the order of its steps.

    A row is one layer: raw attention weights over the patches of the current frame, mean and maximum over all heads, then each head.
    The scale ends at the largest of these weights in the whole run. Earlier frames of the window are on the sheets, not in the film;
    "sum" tells how much of the attention lies on the frame shown.

    Raises:
      SelectionError: If the query, a layer, the camera or a head does not exist.
    """
    row = find_query(run.layout, query)
    layers = range(run.num_layers) if layers is None else layers
    heads = check_heads(run, heads)
    current = [run.layout.window - 1]
    scale = ColorScale(vmax=largest_weight(run, row, layers=layers, camera=camera, timesteps=current))
    cameras = run.cameras if camera is None else (camera,)
    rows = len(layers) * len(cameras)
    tile_size = 160 if rows <= _FEW_ROWS else 104 if rows <= _MANY_ROWS else 72
    for step in run.steps:
        yield render_sheet(
            [r for name in cameras for r in _camera_rows(run, row, step=step, layers=layers, camera=name, heads=heads)],
            title=f"{row.label} attends: step {step} of 0..{run.manifest['episode_length'] - 1}",
            subtitle=describe_run(run),
            scale=scale,
            scale_label="attention weight, one scale for the whole film",
            uniform=1.0 / run.layout.size,
            tile_size=tile_size,
        )


def _camera_rows(
    run: Run, query: QueryRow, *, step: int, layers: Sequence[int], camera: str, heads: Sequence[int]
) -> list[SheetRow]:
    rows: list[SheetRow] = []
    for layer in layers:
        current = attention_maps(run, query, step=step, layer=layer, camera=camera)[-1]
        if not rows:
            rows.append(SheetRow(camera, [Tile("recorded", current.frame)]))
        rows.append(SheetRow(f"layer {layer}", map_tiles(current, heads, with_frame=False)))
    return rows
