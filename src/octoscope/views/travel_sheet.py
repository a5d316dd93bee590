"""How far what one patch holds has travelled, layer by layer: as rollout has it, and as covering the patch shows it."""

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import SelectionError
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.outline import ASKED
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box
from octoscope.views.attention_sheet import describe_run
from octoscope.views.nearest_patches_sheet import cell_region

_TILE = 150
_DECADES = 4.0


def travel_sheet(
    run: Run,
    rollout: Float[np.ndarray, "depth token"],
    *,
    camera: str,
    patch: tuple[int, int],
    step: int,
    box: Box,
    measured: Float[np.ndarray, "depth token"] | None = None,
) -> Sheet:
    """Returns, over the current frame, which part of each token comes from one patch, by depth, on a logarithmic scale of four decades.

    First row: rollout. Second row, where it was measured: how far each token moves when the patch is covered, over its length. The patch
    is outlined; what lies below the scale has its darkest colour, and the bar says so.

    Args:
      run: The run.
      rollout: From `patch_travel`.
      camera: Whose frame.
      patch: Row and column on its grid.
      step: Step of the episode.
      box: Where the grid lies on the recorded frame.
      measured: From `relative_change` of the residual stream with and without the patch covered, input first.

    Raises:
      SelectionError: If the camera's tokens have no place in the image.
    """
    span = run.layout.image_spans(camera)[-1]
    if span.source.grid is None:
        raise SelectionError(f"The tokens of {camera} have no place in its image, so nothing can be drawn over it.")
    grid = span.source.grid
    frame = run.frame(camera, time=int(run.frame_index(step=step)[-1]))
    outline = cell_region(frame, box, grid, *patch)
    looking = run.stack.query_groups
    readouts = [each for each in run.layout.spans if each.source.kind == "readout" and each.group in looking]
    # The action's token is in another stack than the patches, where a decoder makes the action.
    readout = readouts[-1] if readouts else None
    rows = []
    for name, values in (("rollout", rollout), ("measured", measured)):
        if values is None:
            continue
        tiles = [Tile("recorded", frame, outline=outline, mark=ASKED)]
        for depth, parts in enumerate(values):
            note = "" if readout is None else f"readout {parts[readout.start]:.2g}"
            with np.errstate(divide="ignore"):
                heat = np.log10(parts[span.start : span.stop]).reshape(grid).clip(-99.0, None)
            label = "input" if depth == 0 else f"block {depth - 1}"
            tiles.append(Tile(label, frame, heat=heat, box=box, note=note, outline=outline, mark=ASKED))
        rows.append(SheetRow(name, tiles))
    label, uniform = "log10 of the part of each token; 0 is all of it", float(np.log10(1.0 / run.layout.size))
    return Sheet(
        rows=rows,
        title=f"How far patch ({patch[0]}, {patch[1]}) of {camera} has travelled: step {step} of 0..{run.manifest['episode_length'] - 1}",
        subtitle=describe_run(run),
        bar=ColorBar(ColorScale(vmin=-_DECADES, vmax=0.0), label, uniform),
        tile_size=_TILE,
        footnote="Rollout: the part of a token that comes from the outlined patch, if attention were all that mixes tokens. "
        + (
            ""
            if measured is None
            else "Measured: how far a token's residual encoding moves when the patch is covered by grey in the picture, over its length. "
            "Patches move at the input already: the stem looks beyond a cell, and norms in it over the whole picture. "
        )
        + "Uniform: one part in as many as there are tokens. "
        + ("" if readout is None else "Readout: the same number for the action's token."),
    )


render_travel = drawn(travel_sheet)
