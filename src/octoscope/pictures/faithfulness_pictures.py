"""Faithfulness in pictures: scores with intervals, deletion and insertion curves, and every method's map of one step."""

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.faithfulness.methods import CONTROLS, DIRECT
from octoscope.faithfulness.score_table import SCORES, FaithfulnessTable
from octoscope.render.color_scale import ColorScale
from octoscope.render.interval_panel import render_interval_panel
from octoscope.render.lettering import draw_text, line_height
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.overlay import render_overlay
from octoscope.render.palette import MARK, PAPER, QUIET_INK, Color
from octoscope.render.panel_page import render_panel_page
from octoscope.render.photo import resize_photo
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_CONTROL_COLORS: dict[str, Color] = {"random": MARK, "fixed template": (130, 170, 215)}
_COLORS: tuple[Color, ...] = (
    (26, 28, 33),
    (216, 112, 20),
    (0, 128, 96),
    (170, 30, 90),
    (110, 70, 180),
    (150, 110, 0),
    (0, 130, 180),
    (200, 50, 40),
    (90, 100, 20),
    (130, 70, 40),
    (60, 170, 170),
)
# Room for the longest name.
_LABELS = 210
_MAP_TILE = 150
_DIRECT_NOTE = "Direct path only: exact for what reaches the action through the readout's own attention, blind to what others pass on."
_SCORES_NOTE = (
    "Dots: means over episodes; lines: 95 % bootstrap intervals over episodes. In blue what chance and a constant map get: a method whose "
    "interval reaches theirs has not shown that it knows more. Occlusion is compared with occlusion by another fill, so its correlation "
    "is what two fills agree on, not 1."
)
_CURVES_NOTE = (
    "Closeness: 1 is the undisturbed action, 0 as far from it as with every cell taken away; nothing is clipped. Deletion: the method's "
    "largest cells go first, a faithful order falls fast. Insertion: they come back first, a faithful order rises fast."
)
_MAPS_NOTE = (
    "Raw values of each map; every map has its own scale, from 0 (black) to its largest value over all cameras (bright), since their units "
    "differ: brightness cannot be compared between methods. One value a patch, over the whole window."
)


def render_faithfulness_scores(table: FaithfulnessTable) -> UInt8[np.ndarray, "height width 3"]:
    """Draws a panel for each score that is known: every method's mean and interval; blue for chance and a constant map.

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
                render_interval_panel(
                    means,
                    lows=lows,
                    highs=highs,
                    labels=labels,
                    title=title,
                    marked=marked,
                    width=440,
                    label_width=_LABELS,
                )
            )
    return render_panel_page(
        panels,
        title="Do the maps tell what the action depends on?",
        subtitle=_subtitle(table),
        footnote=_SCORES_NOTE + _direct_note(table),
    )


def render_faithfulness_curves(table: FaithfulnessTable) -> UInt8[np.ndarray, "height width 3"]:
    """Draws closeness of the action against the part of the cells that is taken away, and that is given back.

    Args:
      table: From `score_faithfulness`.
    """
    panels = []
    values = np.concatenate([np.stack([line.deletion, line.insertion]) for line in table.methods])
    known = values[~np.isnan(values)]
    bottom, top = (min(0.0, float(known.min())), max(1.0, float(known.max()))) if len(known) else (0.0, 1.0)
    order = [line for line in table.methods if line.method not in CONTROLS]
    colors = {line.method: _COLORS[place % len(_COLORS)] for place, line in enumerate(order)} | _CONTROL_COLORS
    for name, what in (("deletion", "% taken away"), ("insertion", "% given back")):
        curves = [
            Curve(
                _at_every_percent(table, getattr(line, name)),
                "",
                colors[line.method],
                width=1.5,
                dashed=line.method in CONTROLS,
            )
            for line in table.methods
        ]
        panels.append(
            render_line_panel(
                curves, steps=range(101), title=name, top=top, bottom=bottom, x_label=what, width=520, height=360
            )
        )
    panels.append(_legend(table, colors))
    return render_panel_page(
        panels, title="Deletion and insertion", subtitle=_subtitle(table), footnote=_CURVES_NOTE + _direct_note(table)
    )


def render_faithfulness_maps(table: FaithfulnessTable) -> UInt8[np.ndarray, "height width 3"]:
    """Draws every method's map of one step over what the policy saw.

    Args:
      table: From `score_faithfulness`.
    """
    example = table.example
    rows = []
    for camera, picture in example.pictures.items():
        tiles = [PictureTile("as the policy sees it", resize_photo(picture[..., :3], _MAP_TILE))]
        for method, maps in example.maps.items():
            top = max(float(values.max()) for values in maps.values())
            if camera in maps:
                heat = render_overlay(
                    picture[..., :3], maps[camera], scale=ColorScale(vmax=top if top > 0 else 1.0), size=224
                )
                tiles.append(PictureTile(f"{method}*" if method in DIRECT else method, heat))
        rows.append(PictureRow(camera, tiles))
    told = f'told "{example.instruction}"' if example.instruction else "no words"
    subtitle = [f"{example.episode} step {example.step}, {told}", *_subtitle(table)[:1]]
    return render_picture_sheet(
        rows,
        title="Every method's map of one step",
        subtitle=subtitle,
        tile_size=_MAP_TILE,
        footnote=_MAPS_NOTE + _direct_note(table, mark="* "),
    )


def _subtitle(table: FaithfulnessTable) -> list[str]:
    counts = f"{table.policy} on {table.dataset}: {table.steps} steps of {table.episodes} episodes"
    return [counts, " ".join(table.settings), *([table.note] if table.note else [])]


def _direct_note(table: FaithfulnessTable, *, mark: str = "") -> str:
    return f" {mark}{_DIRECT_NOTE}" if any(line.method in DIRECT for line in table.methods) else ""


def _at_every_percent(
    table: FaithfulnessTable, closeness: Float[np.ndarray, " point"]
) -> Float[np.ndarray, " percent"]:
    """Returns the straight lines between a curve's points: points need not lie at whole distances, as the panel's steps do."""
    return np.interp(np.arange(101), 100 * table.fractions, closeness)


def _legend(table: FaithfulnessTable, colors: dict[str, Color]) -> UInt8[np.ndarray, "height width 3"]:
    step = line_height(13) + 4
    canvas = Image.new("RGB", (64 + _LABELS, 26 + step * len(table.methods)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for place, line in enumerate(table.methods):
        y = 30 + place * step
        color = colors[line.method]
        for start in range(0, 30, 9) if line.method in CONTROLS else (0,):
            draw.line((start, y, start + (5 if line.method in CONTROLS else 32), y), fill=color, width=3)
        draw_text(canvas, (44, y), line.label, size=13, color=QUIET_INK, anchor="lm")
    return np.asarray(canvas)
