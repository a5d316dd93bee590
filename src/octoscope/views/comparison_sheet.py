"""One sheet for two of anything: other words, another policy, another step; what each looks at, and the signed difference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.maps import AttentionMap, attention_maps
from octoscope.attention.query import QueryRow, find_query
from octoscope.errors import SelectionError
from octoscope.render.color_scale import ColorScale
from octoscope.render.scale_strip import ScaleStrip
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
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
    step: int | Sequence[int],
    layer: int,
    query: str | None = None,
    camera: str | None = None,
    scale: str = "even",
) -> Sheet:
    """Returns the maps of several runs of one episode under the same noise, or of one run at several steps, a row each.

    A row is the present frame of one camera, and raw attention weights over its patches: mean and maximum over all heads, then each
    head, all rows on one scale. Where there are two rows, a third is their difference, second less first, on a signed scale of its own
    with 0 in the middle. Above stand the actions of each row. What the sheet does not show: whether the action changes because of what
    is attended to.

    Args:
      runs: Runs of the same episode and seed; what they differ in names the rows.
      step: Step of the episode, or of one run several.
      layer: 0 is the first.
      query: Whose attention; the first readout by default.
      camera: The first by default.
      scale: How weights become colours: "even", "linear", "log" or "tile", see `WeightScale`.

    Raises:
      SelectionError: If the runs are not of one episode and seed, or step, layer, query, camera or scale do not exist.
    """
    steps = [step] if isinstance(step, int) else list(step)
    _check_comparable(runs, steps)
    first = runs[0]
    camera = camera or first.cameras[0]
    sides = [_Side(run, at, find_query(run.layout, query)) for run in runs for at in steps]
    for side in sides:
        check_layers(side.run, [layer])
    names = _names(sides)
    maps = [(side, found) for side in sides for found in side.maps(layer, camera)]
    scales = [
        weight_scale(
            side.run, side.query, kind=scale, layers=[layer], camera=camera, timesteps=[side.run.layout.window - 1]
        )
        for side in sides
    ]
    shared = max(scales, key=lambda each: each.top)
    # Of more words, each gets less under even attention.
    even = sides[0].even
    rows = [
        SheetRow(
            names[sides.index(side)],
            [
                shared.on(tile, even=None if even == side.even else side.even)
                for tile in map_tiles(found, range(side.run.num_heads), with_frame=True)
            ],
        )
        for side, found in maps
    ]
    difference, remark = _difference_row([found for _, found in maps]) if len(sides) == 2 else ([], "")
    asked = f"layer {layer} of 0..{first.num_layers - 1}, {_told_steps(steps)}"
    return Sheet(
        rows=[*rows, *difference],
        title=f"{_what(sides)}: {sides[0].query.label} attends, {asked}",
        subtitle=[
            f"{_told_policies(sides)}, episode {first.manifest['episode']}, open loop, same noise",
            *(line for side, name in zip(sides, names, strict=True) for line in side.lines(name, layer, camera)),
        ],
        bar=shared.bar(even, over="the rows of weights, all steps"),
        tile_size=_TILE,
        footnote=shared.caption() + remark,
    )


render_comparison_sheet = drawn(comparison_sheet)


@dataclass(frozen=True, eq=False)
class _Side:
    """What a row shows."""

    run: Run
    step: int
    query: QueryRow

    @property
    def words(self) -> str:
        return str(self.run.manifest["instruction"])

    @property
    def policy(self) -> str:
        return str(self.run.manifest["policy"])

    @property
    def even(self) -> float:
        return even_weight(self.run, self.query, step=self.step)

    def maps(self, layer: int, camera: str) -> list[AttentionMap]:
        every = attention_maps(self.run, self.query, step=self.step, layer=layer, camera=camera)
        return [found for found in every if not found.steps_back]

    def lines(self, name: str, layer: int, camera: str) -> list[str]:
        action = self.run.actions[self.run.index_of(self.step)][0]
        named = named_object_lines(self.maps(layer, camera))
        return [
            f"{name}: first action {_numbers(action)}",
            *instruction_remarks(self.run.layout),
            *(line.replace("named object in", "named object of its row, in") for line in named),
        ]


def _check_comparable(runs: Sequence[Run], steps: Sequence[int]) -> None:
    if not runs:
        raise SelectionError("A comparison needs at least one run, got none.")
    if len(runs) > 1 and len(steps) > 1:
        raise SelectionError(f"Several runs are compared at one step, got {len(steps)}; one run at several.")
    for name in ("episode", "seed"):
        values = {str(run.manifest[name]) for run in runs}
        if len(values) > 1:
            raise SelectionError(f"Runs that are compared must have one {name}, got {', '.join(sorted(values))}.")


def _differs(sides: Sequence[_Side]) -> list[str]:
    """Returns what the rows differ in."""
    facts = {
        "words": {side.words for side in sides},
        "policy": {str(side.run.manifest["policy_sha256"]) for side in sides},
        "step": {side.step for side in sides},
    }
    return [name for name, values in facts.items() if len(values) > 1]


def _what(sides: Sequence[_Side]) -> str:
    differs = _differs(sides)
    frame = "Same words" if differs == ["step"] else "Same frame"
    return f"{frame}, other {' and '.join(differs)}" if differs else "Same frame, same words"


def _names(sides: Sequence[_Side]) -> list[str]:
    differs = _differs(sides)
    policies = [side.policy for side in sides]
    told = {
        "words": [f'"{side.words}"' for side in sides],
        # Two checkpoints of one name are told apart by the parameters.
        "policy": policies
        if len(set(policies)) == len(sides)
        else [f"{side.policy} ({str(side.run.manifest['policy_sha256'])[:6]})" for side in sides],
        "step": [f"step {side.step}" for side in sides],
    }
    return [", ".join(told[name][at] for name in differs or ["words"]) for at in range(len(sides))]


def _difference_row(maps: Sequence[AttentionMap]) -> tuple[list[SheetRow], str]:
    """Returns the row of differences where there are two maps of one grid, and what to say of it."""
    if len(maps) != 2 or maps[0].weights.shape[1:] != maps[1].weights.shape[1:]:
        return [], ""
    before, after = maps
    valid = before.valid & after.valid
    mean = after.weights.mean(axis=0) - before.weights.mean(axis=0)
    heads = after.weights - before.weights if len(before.weights) == len(after.weights) else mean[:0]
    signed = ColorScale.around_zero([mean[valid], *(head[valid] for head in heads)])

    def tile(label: str, values: Float[np.ndarray, "row column"]) -> Tile:
        note = f"sum {values[valid].sum():+.2f}"
        return Tile(
            label, after.frame, heat=values, box=after.box, valid=valid, note=note, scale=signed, outline=after.named
        )

    strip = ScaleStrip(signed, "difference of weights, second row less first")
    row = [strip, tile("mean", mean), None, *(tile(f"head {head}", values) for head, values in enumerate(heads))]
    remark = (
        " Last row: second less first, red more and blue less, on the scale that stands in it; where both give the same, the second's "
        "frame shows, grey."
    )
    return [SheetRow("difference", row)], remark


def _told_steps(steps: Sequence[int]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {', '.join(map(str, steps))}"


def _told_policies(sides: Sequence[_Side]) -> str:
    policies = list(dict.fromkeys(side.policy for side in sides))
    return f"{'policy' if len(policies) == 1 else 'policies'} {' and '.join(policies)}"


def _numbers(action: Float[np.ndarray, " dim"]) -> str:
    return "(" + ", ".join(f"{value:+.3f}" for value in action) + ")"
