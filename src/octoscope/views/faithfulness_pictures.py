"""Faithfulness in pictures: scores with intervals, deletion and insertion curves, and every method's map of one step."""

import numpy as np

from octoscope.faithfulness.methods import CONTROLS, DIRECT
from octoscope.faithfulness.score_table import SCORES, FaithfulnessTable, MethodScores
from octoscope.render.chart import Chart, Curve, Intervals, Lines
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import short_number
from octoscope.render.palette import Color
from octoscope.render.scale_strip import ScaleStrip
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn

_DELETION: Color = (216, 112, 20)
_INSERTION: Color = (0, 128, 96)
_TICKS = (0, 25, 50, 75, 100)
# Room for the longest name.
_LABELS = 210
# Small enough for notes to stand below the tiles, where they have room.
_MAP_TILE = 144
_DIRECT_NOTE = "Direct path only: exact for what reaches the action through the readout's own attention, blind to what others pass on."
_SCORES_NOTE = (
    "Dots: means over n episodes; lines: their 95 % intervals, the outer of Student's t and the studentised bootstrap. In blue what chance "
    "and a constant map get: a method whose interval reaches theirs has not shown that it knows more. Occlusion is compared with occlusion "
    "by another fill, so its correlation is what two fills agree on, not 1."
)
_CURVES_NOTE = (
    "Across: the part of the cells. Closeness: 1 is the undisturbed action, 0 as far from it as with every cell taken away; nothing is "
    "clipped. Orange, deletion: the "
    "method's largest cells go first, a faithful order falls fast. Green, insertion: they come back first, a faithful order rises fast. "
    "Thin dashed: random maps. The further a method's curves are from the dashed ones, the more it knows. Bands: 95 % intervals over the "
    "n episodes, each point for itself."
)
_MAPS_NOTE = (
    "Raw values of each map; every column has a scale of its own, below it, from 0 to the map's largest value over all cameras, since "
    "units differ: brightness cannot be compared between methods. One value a patch, over the whole window."
)
_LEFT_OUT = "Left out"


def faithfulness_scores_chart(table: FaithfulnessTable) -> Chart:
    """Returns a panel for each score that is known: every method's mean and interval; blue for chance and a constant map.

    Args:
      table: From `score_faithfulness`.
    """
    labels = [line.label for line in table.methods]
    marked = [row for row, line in enumerate(table.methods) if line.method in CONTROLS]
    panels = []
    for name, (better, _) in SCORES.items():
        means, lows, highs = (
            np.array([getattr(line.scores[name], part) for line in table.methods]) for part in ("mean", "low", "high")
        )
        if not np.isnan(means).all():
            title = f"{name}: {better} is better"
            panels.append(
                Intervals(
                    means,
                    lows=lows,
                    highs=highs,
                    labels=labels,
                    title=title,
                    counts=[line.scores[name].episodes for line in table.methods],
                    marked=marked,
                    label_width=_LABELS,
                )
            )
    return Chart(
        panels=panels,
        title="Do the maps tell what the action depends on?",
        subtitle=_subtitle(table),
        footnote=_SCORES_NOTE + _direct_note(table),
    )


def faithfulness_curves_chart(table: FaithfulnessTable) -> Chart:
    """Returns a panel for each method: closeness of the action against the part of the cells taken away, and given back.

    Bands are 95 % intervals over episodes. All panels have one scale, which holds the means: bands may leave it. Dashed are the curves of
    random maps, in the same two colours.

    Args:
      table: From `score_faithfulness`.
    """
    values = np.concatenate([np.stack([line.deletion.mean, line.insertion.mean]) for line in table.methods])
    known = values[~np.isnan(values)]
    bottom, top = (min(0.0, float(known.min())), max(1.0, float(known.max()))) if len(known) else (0.0, 1.0)
    panels = [
        Lines(
            _curves(table, line),
            at=(100 * table.fractions).tolist(),
            title=f"{line.label}, n = {line.deletion.episodes}",
            top=top,
            bottom=bottom,
            x_label="% of the cells",
            x_ticks=_TICKS,
            width=310,
            sampled=True,
        )
        for line in table.methods
    ]
    return Chart(
        panels=panels,
        title="Deletion and insertion: how close the action stays",
        subtitle=_subtitle(table),
        footnote=_CURVES_NOTE + _direct_note(table),
        columns=4,
    )


render_faithfulness_scores = drawn(faithfulness_scores_chart)
render_faithfulness_curves = drawn(faithfulness_curves_chart)


def _curves(table: FaithfulnessTable, line: MethodScores) -> list[Curve]:
    """Returns a method's curves over those of random maps."""
    chance = [one for one in table.methods if one.method == "random" and one is not line]
    curves = [
        Curve(values, color=color, width=1.2, dashed=True, dots=False)
        for one in chance
        for values, color in ((one.deletion.mean, _DELETION), (one.insertion.mean, _INSERTION))
    ]
    dashed = line.method in CONTROLS
    drawn = ((line.deletion, "deletion", _DELETION), (line.insertion, "insertion", _INSERTION))
    return [
        *curves,
        *(
            Curve(band.mean, label, color, width=1.8, dashed=dashed, low=band.low, high=band.high)
            for band, label, color in drawn
        ),
    ]


def faithfulness_maps_sheet(table: FaithfulnessTable) -> Sheet:
    """Returns every method's map of one step over what the policy saw.

    Args:
      table: From `score_faithfulness`.
    """
    example = table.example
    rows = []
    tops = {method: max(float(np.nanmax(values)) for values in maps.values()) for method, maps in example.maps.items()}
    scales = {method: ColorScale(vmax=top if top > 0 else 1.0) for method, top in tops.items()}
    for camera, picture in example.pictures.items():
        tiles = [Tile("as the policy sees it", picture[..., :3])]
        for method, maps in example.maps.items():
            if camera in maps:
                label = f"{method}*" if method in DIRECT else method
                note = f"max {short_number(float(np.nanmax(maps[camera])))}"
                tiles.append(Tile(label, picture[..., :3], heat=maps[camera], scale=scales[method], note=note))
        rows.append(SheetRow(camera, tiles))
    rows.append(SheetRow("scales", [None, *(ScaleStrip(scale, method) for method, scale in scales.items())]))
    told = f'told "{example.instruction}"' if example.instruction else "no words"
    subtitle = [f"{example.episode} step {example.step}, {told}", *_subtitle(table)[:1]]
    return Sheet(
        rows=rows,
        title="Every method's map of one step",
        subtitle=subtitle,
        tile_size=_MAP_TILE,
        footnote=_MAPS_NOTE + _direct_note(table, mark="* "),
    )


render_faithfulness_maps = drawn(faithfulness_maps_sheet)


def _subtitle(table: FaithfulnessTable) -> list[str]:
    counts = f"{table.policy} on {table.dataset}: {table.steps} steps of {table.episodes} episodes"
    return [
        counts,
        *([table.few] if table.few else []),
        " ".join(sentence for sentence in table.settings if not sentence.startswith(_LEFT_OUT)),
        # Each on lines of its own: a long paragraph is cut.
        *(sentence for sentence in table.settings if sentence.startswith(_LEFT_OUT)),
        *([table.note] if table.note else []),
    ]


def _direct_note(table: FaithfulnessTable, *, mark: str = "") -> str:
    return f" {mark}{_DIRECT_NOTE}" if any(line.method in DIRECT for line in table.methods) else ""
