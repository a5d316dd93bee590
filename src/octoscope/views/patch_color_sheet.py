"""Patch encodings as colours over the steps of an episode: like colours, like encodings, in every frame of a layer's row."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.principal_colors import ColorBasis, fit_color_basis
from octoscope.errors import SelectionError
from octoscope.render.overlay import scaled_box
from octoscope.render.photo import resize_photo
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box
from octoscope.views.attention_sheet import describe_run

_TILE = 150
_MOST_STEPS = 7
_PALE = 235


def patch_colors_sheet(
    run: Run,
    encodings: PatchEncodings,
    *,
    steps: Sequence[int] | None = None,
    bases: Sequence[ColorBasis] | None = None,
) -> Sheet:
    """Returns each frame's patches in the colours of their encodings' three principal components: a row is a depth, a column a step.

    One basis and one range for each depth, from all steps of the run: within a row a colour means the same in every frame. Rows cannot be
    compared by colour, only by pattern. Red is the direction of largest variance, then green, then blue; each is stretched over its own
    range, so the percentages say how much of the variance each stands for. Outlined: the object that the instruction names, where the
    episode has masks.

    Args:
      run: The run.
      encodings: Of one camera, from `patch_encodings`.
      steps: Which to draw; by default 7 spread over the run.
      bases: One for each depth, such as those of another episode, so that colours mean the same as there; of this run by default.

    Raises:
      SelectionError: If a step is not in the run.
    """
    shown = _chosen(encodings, steps)
    bases = [fit_color_basis(each) for each in encodings.current] if bases is None else bases
    times = [int(encodings.times[encodings.steps.index(step), -1]) for step in shown]
    frames = [run.frame(encodings.camera, time=time) for time in times]
    named = [run.named_object(encodings.camera, time=time) for time in times]
    rows = [SheetRow("as recorded", [Tile(f"step {step}", frame) for step, frame in zip(shown, frames, strict=True)])]
    for depth, basis in enumerate(bases):
        tiles = []
        for place, step in enumerate(shown):
            cells = basis.colors(encodings.current[depth, encodings.steps.index(step)])
            picture = color_cells(cells, frame=frames[place], box=encodings.box, size=_TILE)
            tiles.append(Tile("", picture, outline=named[place]))
        parts = [f"{share:.0%}" for share in basis.variance_shares]
        rows.append(SheetRow(f"{encodings.depths[depth]}: {' + '.join(parts)} of variance", tiles))
    whose = f" of the stack '{encodings.stack}'" if encodings.stack else ""
    beyond = max(basis.beyond(encodings.current[depth]) for depth, basis in enumerate(bases))
    return Sheet(
        rows=rows,
        title=f"What patches of {encodings.camera} hold: principal components as red, green, blue",
        subtitle=[
            *describe_run(run),
            f"residual stream{whose} at the current timestep; one basis and scale per depth, for all steps",
        ],
        tile_size=_TILE,
        footnote="In a row, like colours are like encodings, in every frame alike; colours of two rows have nothing to do with each other. "
        "Red, green and blue are the three directions of largest variance, each stretched from its least to its largest value over the "
        "episode; the percentages say how much of the variance each holds, and what is left is not shown. "
        + (f"{beyond:.1%} of patches lie beyond a basis that was fitted elsewhere, at most. " if beyond else ""),
    )


render_patch_colors = drawn(patch_colors_sheet)


def color_cells(
    cells: UInt8[np.ndarray, "row column 3"], *, frame: UInt8[np.ndarray, "height width 3"], box: Box, size: int
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns the cells as flat colours where they lie on a frame; what no cell covers is pale.

    Args:
      cells: One colour a patch.
      frame: As recorded, for its size.
      box: Where the grid lies on the frame: top, left, bottom, right in pixels.
      size: Pixels of the picture's longer side.

    >>> color_cells(np.zeros((2, 2, 3), np.uint8), frame=np.zeros((4, 8, 3), np.uint8), box=(0.0, 0.0, 4.0, 4.0), size=8)[0, :, 0]
    array([  0,   0,   0,   0, 235, 235, 235, 235], dtype=uint8)
    """
    shape = resize_photo(frame, size).shape
    top, left, bottom, right = scaled_box(box, frame.shape[:2], shape[:2])
    rows = np.floor((np.arange(shape[0]) + 0.5 - top) / (bottom - top) * cells.shape[0]).astype(int)
    columns = np.floor((np.arange(shape[1]) + 0.5 - left) / (right - left) * cells.shape[1]).astype(int)
    inside = ((rows >= 0) & (rows < cells.shape[0]))[:, None] & ((columns >= 0) & (columns < cells.shape[1]))[None]
    filled = cells[np.ix_(rows.clip(0, cells.shape[0] - 1), columns.clip(0, cells.shape[1] - 1))]
    return np.where(inside[..., None], filled, np.uint8(_PALE))


def _chosen(encodings: PatchEncodings, steps: Sequence[int] | None) -> list[int]:
    if steps is None:
        spread = np.linspace(0, len(encodings.steps) - 1, min(_MOST_STEPS, len(encodings.steps)))
        return [encodings.steps[place] for place in np.unique(spread.round().astype(int))]
    for step in steps:
        if step not in encodings.steps:
            raise SelectionError(
                f"The run holds no encodings of step {step}. It holds: {', '.join(map(str, encodings.steps))}."
            )
    return list(steps)
