"""The two frames of a window beside each other: what changed in the picture, and what changed in the encodings, by depth."""

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.window_change import WindowChange, moved_cells
from octoscope.errors import SelectionError
from octoscope.render.chart import Chart, Curve, Lines
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.palette import INK, MARK
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run

_TILE = 150


def window_change_sheet(run: Run, encodings: PatchEncodings, change: WindowChange, *, step: int) -> Sheet:
    """Returns how far each cell's encoding moves from one frame of the window to the next, a tile for each depth, on one scale.

    1 is the mean difference between two different patches of one frame at that depth. Hatched: the earlier frame is padding.

    Args:
      run: The run.
      encodings: Of one camera.
      change: Of the same, from `window_change(encodings.values, encodings.real)`.
      step: Step of the episode.

    Raises:
      SelectionError: If the step is not in the run.
    """
    if step not in encodings.steps:
        raise SelectionError(f"The run holds no step {step}. It holds: {', '.join(map(str, encodings.steps))}.")
    place = encodings.steps.index(step)
    times = encodings.times[place]
    before, now = (run.frame(encodings.camera, time=int(times[at])) for at in (0, -1))
    padded = bool(change.padded[place])
    back = encodings.values.shape[2] - 1
    frames = [
        Tile(f"t-{back} (step {times[0]})" if not padded else f"t-{back}", before, dimmed=padded),
        Tile(f"t (step {times[-1]})", now),
        Tile("difference", picture_difference(before, now)),
    ]
    found = change.in_apart()
    tiles = [
        Tile(name, now, heat=found[depth, place], box=encodings.box, note=_note(found[depth, place]))
        for depth, name in enumerate(encodings.depths)
    ]
    known = found[~np.isnan(found)]
    without = int(change.padded.sum())
    top, label = float(known.max(initial=0.0)) or 1.0, "change of a cell's encoding; 1: as another patch"
    return Sheet(
        rows=[SheetRow("frames", frames), SheetRow(encodings.camera, tiles)],
        title=f"What changes from t-{back} to t: {encodings.camera}, step {step} of 0..{run.manifest['episode_length'] - 1}",
        subtitle=[
            *describe_run(run),
            f"{without} of {len(encodings.steps)} steps have a padded frame before them, which is compared with nothing"
            + (": this is one of them" if padded else ""),
        ],
        bar=ColorBar(ColorScale(vmax=top), label),
        tile_size=_TILE,
        footnote="Length of the difference between a cell's encodings at t and before, over their mean length, in units of what two "
        "different patches of one frame differ by at that depth. The two timesteps have position embeddings of their own, so not even a "
        "still cell has 0.",
    )


def window_curves_chart(run: Run, encodings: PatchEncodings, change: WindowChange) -> Chart:
    """Returns the mean change of cells whose picture moved and of those whose picture stood still, by depth, over all steps of the run.

    Strokes run from the 5th to the 95th percentile. Where still cells come to change like moved ones, the encodings of all patches
    tell of the motion, wherever it was.

    Args:
      run: The run.
      encodings: Of one camera.
      change: Of the same.
    """
    moved = np.zeros(change.relative.shape[1:], bool)
    for place, times in enumerate(encodings.times):
        before, now = (run.frame(encodings.camera, time=int(times[at])) for at in (0, -1))
        moved[place] = moved_cells(before, now, box=encodings.box, grid=encodings.grid)
    found = change.in_apart()[:, ~change.padded]
    moved = moved[~change.padded]
    curves, top = [], 0.0
    for name, chosen, color in (("still cells", ~moved, MARK), ("moved cells", moved, INK)):
        values = found[:, chosen]
        if values.size:
            low, high = np.quantile(values, [0.05, 0.95], axis=1)
            curves.append(Curve(values.mean(axis=1), name, color, low=low, high=high))
            top = max(top, float(high.max()))
    scale = {"title": "change from t-1 to t; 1: as another patch", "top": top * 1.03 or 1.0}
    return Chart(
        panels=[Lines(curves, at=encodings.depths, **scale, width=620, height=300)],
        title=f"What one step changes, by depth: patches of {encodings.camera}, {len(moved)} steps",
        subtitle=[
            *describe_run(run),
            f"{int(moved.sum())} cells in which the picture moved, {int((~moved).sum())} in which it stood still",
        ],
        footnote="Dots: mean over cells and steps; strokes: 5th to 95th percentile. Length of the difference over the mean length, in "
        "units of what two patches of one frame differ by at that depth. A cell moved when some pixel of it changed by 8 of 255 or more; "
        "the stem sees beyond a cell, so still cells beside moved ones change at the input too. Steps after padded history are left out.",
    )


render_window_change = drawn(window_change_sheet)
render_window_curves = drawn(window_curves_chart)


def picture_difference(
    before: UInt8[np.ndarray, "height width 3"], now: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns how much each pixel changed: the largest difference of its three colours, as grey, 0..255.

    >>> picture_difference(np.zeros((1, 1, 3), np.uint8), np.array([[[5, 200, 0]]], np.uint8))[0, 0].tolist()
    [200, 200, 200]
    """
    largest = np.abs(before.astype(np.int16) - now.astype(np.int16)).max(axis=-1).astype(np.uint8)
    return np.repeat(largest[..., None], 3, axis=-1)


def _note(values: Float[np.ndarray, "row column"]) -> str:
    return "padding" if np.isnan(values).all() else f"mean {np.nanmean(values):.2f}"
