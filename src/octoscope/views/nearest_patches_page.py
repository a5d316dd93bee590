"""The nearest patches of a clicked patch: one HTML file that holds frames, neighbours and colours, and opens without a server.

Bounded: see `PageLimits`. What is left out is said on the page.
"""

import base64
import importlib.resources
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.encodings.nearest_patches import PatchPlace
from octoscope.encodings.neighbor_table import NeighborTable, neighbor_table
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.principal_colors import fit_color_basis
from octoscope.escaping.html import html_json
from octoscope.render.atomic_path import atomic_path
from octoscope.render.photo import fitted_size
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run

_TEMPLATE = "nearest_patches_page.html"
_DATA = "/*DATA*/"


@dataclass(frozen=True)
class PageLimits:
    """What a page holds at most: by default about ten megabytes."""

    # Patches that neighbours are sought among.
    patches: int = 40_000
    # Neighbours in all, of every patch that can be clicked, at every depth and by every choice.
    neighbors: int = 300_000
    # Of each patch.
    count: int = 6
    # Pixels of a frame's longer side.
    frame_size: int = 256


def write_nearest_patches_page(
    runs: Sequence[Run],
    encodings: Sequence[PatchEncodings],
    path: str | Path,
    start: PatchPlace,
    *,
    limits: PageLimits | None = None,
) -> None:
    """Writes a page on which a click on a patch shows the patches most like it, in other frames and other episodes.

    The frame carries the grid of patches; tiles at the right are frames whose best patch has the largest cosine, outlined, with "=" where
    it is the same cell of the grid. Choices: depth; encodings as they are or with each cell's mean over all frames taken away; other
    episodes only; the patches' principal components as colours over the frame. The address keeps what is shown.

    Args:
      runs: One for each episode.
      encodings: Of the same camera in each run, from `patch_encodings`, in the same order.
      path: Of the file.
      start: The patch that is shown first; `step` is an index into the steps of its run.
      limits: What the page holds.

    Raises:
      OutputError: If the file cannot be written.
    """
    template = importlib.resources.files("octoscope.views").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    data = html_json(nearest_patches_data(runs, encodings, start, limits=limits))
    with atomic_path(path) as part:
        part.write_text(template.replace(_DATA, data), encoding="utf-8")


def nearest_patches_data(
    runs: Sequence[Run], encodings: Sequence[PatchEncodings], start: PatchPlace, *, limits: PageLimits | None = None
) -> dict[str, Any]:
    """Returns what the page holds, ready for JSON.

    `tables[where][kind][depth]` holds for each asked frame and cell the neighbours as frame * cells + cell, and their cosines in
    thousandths; where is "all" or "others", kind "raw" or "centred". `colors[depth][asked]` holds red, green and blue of each cell.
    """
    limits = limits or PageLimits()
    first = encodings[0]
    cells = first.grid[0] * first.grid[1]
    places = [(run, step) for run, held in enumerate(encodings) for step in range(len(held.steps))]
    shown = (start.episode, start.step)
    sought = _spread(places, max(1, limits.patches // cells), shown)
    wheres = ("all", "others") if len(runs) > 1 else ("all",)
    each = cells * len(first.depths) * 2 * len(wheres) * limits.count
    # Those of the drawn episode before those of the others.
    own = [place for place in sought if place[0] == shown[0]]
    most = max(1, limits.neighbors // each)
    asked = own if len(own) <= most else _spread(own, most, shown)
    others = [place for place in sought if place[0] != shown[0]]
    if most > len(asked) and others:
        asked = asked + _spread(others, most - len(asked), None)
    indices = [sought.index(place) for place in sorted(asked)]
    episodes = np.array([run for run, _ in sought])
    tables: dict[str, dict[str, list[Any]]] = {where: {"raw": [], "centred": []} for where in wheres}
    colors: list[Any] = []
    for depth in range(len(first.depths)):
        values = np.stack([encodings[run].current[depth, step].reshape(cells, -1) for run, step in sought])
        for where, kinds in tables.items():
            for kind, found in kinds.items():
                table = neighbor_table(
                    values,
                    episodes,
                    indices,
                    count=limits.count,
                    without_position=kind == "centred",
                    other_episodes=where == "others",
                )
                found.append(_as_lists(table, cells))
        basis = fit_color_basis(values)
        colors.append(basis.colors(values[indices]).reshape(len(indices), -1).tolist())
    frames = [_frame(runs[run], encodings[run], run, step, limits.frame_size) for run, step in sought]
    left_out = [
        f"Neighbours are sought in {len(sought)} of {len(places)} frames, and {len(indices)} of them can be clicked."
    ]
    return {
        "title": f"Nearest patches of {first.camera}",
        "lines": [*describe_run(runs[shown[0]]), *left_out],
        "grid": list(first.grid),
        "depths": list(first.depths),
        "frames": frames,
        "asked": indices,
        "start": [sought.index(shown), start.row * first.grid[1] + start.column],
        "tables": tables,
        "colors": colors,
    }


def _spread(places: list[tuple[int, int]], most: int, kept: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Returns at most so many places in their order, evenly spread, one of them always."""
    if len(places) <= most:
        return places
    chosen = [places[index * len(places) // most] for index in range(most)]
    if kept is not None and kept not in chosen:
        # In place of the nearest, which is most like it.
        nearest = min(range(most), key=lambda index: abs(places.index(chosen[index]) - places.index(kept)))
        chosen[nearest] = kept
    return chosen


def _as_lists(table: NeighborTable, cells: int) -> list[list[list[list[int]]]]:
    """Returns [places, thousandths of the cosine] for each asked frame and cell."""
    found: list[list[list[list[int]]]] = []
    for frames, at, cosines in zip(table.frames, table.cells, table.cosines, strict=True):
        rows = []
        for row in range(len(frames)):
            known = frames[row] >= 0
            places = frames[row][known] * cells + at[row][known]
            rows.append([places.tolist(), np.rint(1000 * cosines[row][known]).astype(int).tolist()])
        found.append(rows)
    return found


def _frame(run: Run, held: PatchEncodings, episode: int, step: int, size: int) -> dict[str, Any]:
    recorded = run.frame(held.camera, time=int(held.times[step, -1]))
    height, width = recorded.shape[:2]
    top, left, bottom, right = held.box
    return {
        "episode": episode,
        "name": run.manifest["episode"],
        "task": run.manifest["instruction"],
        "step": held.steps[step],
        "box": [round(part, 5) for part in (top / height, left / width, bottom / height, right / width)],
        "image": _jpeg_uri(recorded, size),
    }


def _jpeg_uri(image: UInt8[np.ndarray, "height width 3"], size: int) -> str:
    picture = Image.fromarray(image)
    if max(picture.size) > size:
        height, width = fitted_size(image.shape[0], image.shape[1], size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode("ascii")
