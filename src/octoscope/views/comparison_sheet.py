"""One sheet for the same frame under several instructions: does the map follow the words, and does the action?"""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.errors import SelectionError
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.sheet import CAPTION, Sheet, SheetRow
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.layout import instruction_remarks
from octoscope.views.attention_sheet import check_layers, largest_weight, map_tiles, uniform_weight
from octoscope.views.named_object import named_object_lines

_TILE = 160


def comparison_sheet(
    runs: Sequence[Run], *, step: int, layer: int, query: str | None = None, camera: str | None = None
) -> Sheet:
    """Returns the maps of several runs of one episode, a row each: the same frame, the same noise, other words.

    A row is the present frame of one camera, and raw attention weights over its patches: mean and maximum over all heads, then each
    head, all rows on one linear scale from 0. Above stand the actions that the policy gives for each instruction. What the sheet
    does not show: whether the action changes because of what is attended to.

    Args:
      runs: Runs of the same episode, policy and seed; their instructions name the rows.
      step: Step of the episode.
      layer: 0 is the first.
      query: Whose attention; the first readout by default.
      camera: The first by default.

    Raises:
      SelectionError: If the runs are not of one episode and policy, or step, layer, query or camera do not exist.
    """
    _check_comparable(runs)
    first = runs[0]
    check_layers(first, [layer])
    camera = camera or first.cameras[0]
    rows, lines, tops = [], [], []
    for run in runs:
        row = find_query(run.layout, query)
        present = [m for m in attention_maps(run, row, step=step, layer=layer, camera=camera) if not m.steps_back]
        words = run.manifest["instruction"]
        rows += [SheetRow(words, map_tiles(found, range(run.num_heads), with_frame=True)) for found in present]
        lines.append(f'"{words}": first action {_numbers(run.actions[run.index_of(step)][0])}')
        lines += instruction_remarks(run.layout)
        lines += [
            line.replace("named object in", "named object of its row, in") for line in named_object_lines(present)
        ]
        tops.append(largest_weight(run, row, layers=[layer], camera=camera, timesteps=[run.layout.window - 1]))
    query_row = find_query(first.layout, query)
    label = "attention weight, one scale for all rows, all steps"
    return Sheet(
        rows=rows,
        title=f"Same frame, other words: {query_row.label} attends, layer {layer} of 0..{first.num_layers - 1}, step {step}",
        subtitle=[
            f"policy {first.manifest['policy']}, episode {first.manifest['episode']}, open loop, same noise",
            *lines,
        ],
        bar=ColorBar(ColorScale(vmax=max(tops)), label, uniform_weight(first, query_row, step=step)),
        tile_size=_TILE,
        footnote=CAPTION,
    )


render_comparison_sheet = drawn(comparison_sheet)


def _check_comparable(runs: Sequence[Run]) -> None:
    if not runs:
        raise SelectionError("A comparison needs at least one run, got none.")
    for name in ("policy_sha256", "episode", "seed"):
        values = {str(run.manifest[name]) for run in runs}
        if len(values) > 1:
            raise SelectionError(f"Runs that are compared must have one {name}, got {', '.join(sorted(values))}.")


def _numbers(action: Float[np.ndarray, " dim"]) -> str:
    return "(" + ", ".join(f"{value:+.3f}" for value in action) + ")"
