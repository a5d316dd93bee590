"""The nearest patches of a patch as pictures: a row is a depth, and each tile a frame with the patch that is most like it there."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.encodings.nearest_patches import OnePer, PatchPlace, nearest_patches
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.render.outline import ASKED, NEIGHBOR, OutlineMark
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box
from octoscope.views.attention_sheet import describe_run

_TILE = 132
_COUNTED = {
    "patch": "every patch counts",
    "frame": "the best patch of each frame counts",
    "episode": "the best patch of each episode counts",
}


def nearest_patches_sheet(
    runs: Sequence[Run],
    encodings: Sequence[PatchEncodings],
    patch: PatchPlace,
    *,
    count: int = 7,
    without_position: bool = False,
    one_per: OnePer = "frame",
    other_episodes: bool = False,
) -> Sheet:
    """Returns the patch asked for and, at each depth, the frames whose best patch is most like it; patches are outlined.

    Beside each tile stands the cosine, -1..1; "=" marks the same cell of the grid, which may be alike for its place alone.

    Args:
      runs: One for each episode.
      encodings: Of the same camera in each run, from `patch_encodings`, in the same order.
      patch: Whose neighbours are drawn; `step` is an index into the steps of its run.
      count: Neighbours at each depth.
      without_position: Take the mean of each cell over all frames away first: see `nearest_patches`.
      one_per: List only the best patch of each "frame" or "episode", or every "patch".
      other_episodes: Only patches of other episodes.

    Raises:
      ValueError: If the patch does not exist, or grids or sizes differ.
    """
    asked = encodings[patch.episode]
    rows = []
    for depth, name in enumerate(asked.depths):
        found = nearest_patches(
            [each.current[depth] for each in encodings],
            patch,
            count=count,
            without_position=without_position,
            one_per=one_per,
            other_episodes=other_episodes,
        )
        tiles = [_outlined(runs, encodings, patch, "asked for", ASKED)]
        for neighbor in found:
            place = neighbor.place
            same = " =" if neighbor.same_cell else ""
            label = f"ep {place.episode} step {encodings[place.episode].steps[place.step]}"
            tiles.append(_outlined(runs, encodings, place, label, NEIGHBOR, note=f"{neighbor.cosine:.2f}{same}"))
        rows.append(SheetRow(name, tiles))
    step = asked.steps[patch.step]
    what = ", each cell's mean over all frames taken away" if without_position else ", place and all"
    return Sheet(
        rows=rows,
        title=f"Nearest patches of {asked.camera} ({patch.row}, {patch.column}) at step {step}, by cosine{what}",
        subtitle=[
            *describe_run(runs[patch.episode]),
            f"sought in the current frames of {len(runs)} episode{'s' * (len(runs) > 1)}, {sum(len(each.steps) for each in encodings)} "
            f"frames; {_COUNTED[one_per]}" + ("; other episodes only" if other_episodes else ""),
        ],
        tile_size=_TILE,
        footnote="Above each tile: episode and step; with it the cosine of the two encodings, -1 to 1. = is the same cell of the grid: "
        "encodings carry their place, so these may be alike for that alone. Outlined is the cell; the stem sees beyond it.",
    )


render_nearest_patches = drawn(nearest_patches_sheet)


def cell_region(
    frame: UInt8[np.ndarray, "height width 3"], box: Box, grid: tuple[int, int], row: int, column: int
) -> Bool[np.ndarray, "height width"]:
    """Returns where a cell lies on a frame.

    >>> cell_region(np.zeros((2, 4, 3), np.uint8), (0.0, 0.0, 2.0, 4.0), (1, 2), 0, 1)[0].tolist()
    [False, False, True, True]
    """
    top, left, bottom, right = box
    rows = np.floor((np.arange(frame.shape[0]) + 0.5 - top) / (bottom - top) * grid[0])
    columns = np.floor((np.arange(frame.shape[1]) + 0.5 - left) / (right - left) * grid[1])
    return (rows == row)[:, None] & (columns == column)[None]


def _outlined(
    runs: Sequence[Run],
    encodings: Sequence[PatchEncodings],
    place: PatchPlace,
    label: str,
    mark: OutlineMark,
    note: str = "",
) -> Tile:
    held = encodings[place.episode]
    frame = runs[place.episode].frame(held.camera, time=int(held.times[place.step, -1]))
    region = cell_region(frame, held.box, held.grid, place.row, place.column)
    return Tile(label, frame, outline=region, mark=mark, note=note)
