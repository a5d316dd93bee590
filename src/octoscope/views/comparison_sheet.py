"""One sheet for the same frame under several instructions: does the map follow the words, and does the action?"""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.errors import SelectionError
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.layout import instruction_remarks
from octoscope.views.attention_sheet import check_layers, map_tiles
from octoscope.views.named_object import named_object_lines
from octoscope.views.weight_scale import even_weight, weight_scale

_TILE = 144


def comparison_sheet(
    runs: Sequence[Run],
    *,
    step: int,
    layer: int,
    query: str | None = None,
    camera: str | None = None,
    scale: str = "even",
) -> Sheet:
    """Returns the maps of several runs of one episode, a row each: the same frame, the same noise, other words.

    A row is the present frame of one camera, and raw attention weights over its patches: mean and maximum over all heads, then each
    head, all rows on one scale. Above stand the actions that the policy gives for each instruction. What the sheet
    does not show: whether the action changes because of what is attended to.

    Args:
      runs: Runs of the same episode, policy and seed; their instructions name the rows.
      step: Step of the episode.
      layer: 0 is the first.
      query: Whose attention; the first readout by default.
      camera: The first by default.
      scale: How weights become colours: "even", "linear", "log" or "tile", see `WeightScale`.

    Raises:
      SelectionError: If the runs are not of one episode and policy, or step, layer, query, camera or scale do not exist.
    """
    _check_comparable(runs)
    first = runs[0]
    check_layers(first, [layer])
    camera = camera or first.cameras[0]
    maps, lines, scales = [], [], []
    for run in runs:
        row = find_query(run.layout, query)
        present = [m for m in attention_maps(run, row, step=step, layer=layer, camera=camera) if not m.steps_back]
        words = run.manifest["instruction"]
        even = even_weight(run, row, step=step)
        maps += [(words, even, found) for found in present]
        lines.append(f'"{words}": first action {_numbers(run.actions[run.index_of(step)][0])}')
        lines += instruction_remarks(run.layout)
        lines += [
            line.replace("named object in", "named object of its row, in") for line in named_object_lines(present)
        ]
        now = [run.layout.window - 1]
        scales.append(weight_scale(run, row, kind=scale, layers=[layer], camera=camera, timesteps=now))
    query_row = find_query(first.layout, query)
    shared, heads = max(scales, key=lambda each: each.top), range(first.num_heads)
    # Of more words, each gets less under even attention.
    even = even_weight(first, query_row, step=step)
    evens = [None if own == even else own for _, own, _ in maps]
    return Sheet(
        rows=[
            SheetRow(words, [shared.on(tile, even=own) for tile in map_tiles(found, heads, with_frame=True)])
            for own, (words, _, found) in zip(evens, maps, strict=True)
        ],
        title=f"Same frame, other words: {query_row.label} attends, layer {layer} of 0..{first.num_layers - 1}, step {step}",
        subtitle=[
            f"policy {first.manifest['policy']}, episode {first.manifest['episode']}, open loop, same noise",
            *lines,
        ],
        bar=shared.bar(even, over="all rows, all steps"),
        tile_size=_TILE,
        footnote=shared.caption(),
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
