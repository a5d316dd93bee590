"""Dropped tokens in pictures: error and time against the kept part, and what each score keeps of one frame."""

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.faithfulness.drop_table import DropTable
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.palette import MARK, Color
from octoscope.render.panel_page import render_panel_page
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_COLORS: tuple[Color, ...] = (
    (26, 28, 33),
    (216, 112, 20),
    (0, 128, 96),
    (170, 30, 90),
    (110, 70, 180),
    (150, 110, 0),
    (200, 50, 40),
    (122, 128, 138),
)
# Lines between measured fractions, which need not lie at whole distances as the panel's steps do.
_PERCENT = np.arange(101)
_CURVES_NOTE = (
    "Error: change of the action chunk under the same noise, root mean square, in standard deviations of the dataset's actions. Dashed "
    "blue: what other noise alone does. Open loop: a small error at each step may still grow in a closed loop. The image encoder still "
    "sees the whole picture, so a kept token may know of dropped neighbours."
)
_KEPT_NOTE = (
    "Bright: patches whose tokens are kept, at every timestep of the window. Dark: dropped before the first block."
)


def render_drop_curves(table: DropTable) -> UInt8[np.ndarray, "height width 3"]:
    """Draws the error of the action against the part of the image tokens that is kept, a curve for each score, and the time of a step.

    Args:
      table: From `drop_tokens`.
    """
    dropped = 100 * (1 - np.array(table.fractions))
    means = np.array([[score.mean for score in row] for row in table.errors])
    floor = table.noise_floor.mean
    top = max(float(np.nanmax(means)), 0.0 if np.isnan(floor) else floor, 1e-6)
    curves = [
        Curve(np.interp(_PERCENT, dropped, row), name, _COLORS[place % len(_COLORS)], width=1.6)
        for place, (name, row) in enumerate(zip(table.scores, means, strict=True))
    ]
    curves.insert(0, Curve(np.full(len(_PERCENT), floor), "other noise", MARK, width=1.2, dashed=True))
    panels = [
        render_line_panel(
            curves,
            steps=_PERCENT.tolist(),
            title="error of the action",
            top=top,
            x_label="% dropped",
            width=640,
            height=360,
        )
    ]
    seconds = np.interp(_PERCENT, dropped, 1000 * np.array(table.seconds))
    if not np.isnan(seconds).all():
        time = Curve(seconds, "", _COLORS[0])
        panels.append(
            render_line_panel(
                [time],
                steps=_PERCENT.tolist(),
                title="time of a step, ms",
                top=float(np.nanmax(seconds)),
                x_label="% dropped",
                width=400,
                height=360,
            )
        )
    subtitle = [
        f"{table.policy} on {table.dataset}: {table.steps} steps of {table.episodes} episodes; {table.tokens[0]} tokens in the sequence, "
        f"{min(table.tokens)} with {100 * min(table.fractions):.0f} % of the image tokens",
        *([table.note] if table.note else []),
    ]
    return render_panel_page(panels, title="Image tokens dropped", subtitle=subtitle, footnote=_CURVES_NOTE)


def render_kept_tokens(table: DropTable) -> UInt8[np.ndarray, "height width 3"]:
    """Draws the patches that each score keeps of one step, the dropped ones dark.

    Args:
      table: From `drop_tokens`.
    """
    example = table.example
    rows = []
    for camera, picture in example.pictures.items():
        tiles = [PictureTile("as the policy sees it", picture[..., :3])]
        tiles += [PictureTile(name, _darkened(picture[..., :3], kept[camera])) for name, kept in example.kept.items()]
        rows.append(PictureRow(camera, tiles))
    told = f'told "{example.instruction}"' if example.instruction else "no words"
    return render_picture_sheet(
        rows,
        title=f"The {100 * example.fraction:.0f} % of image tokens that each score keeps",
        subtitle=[
            f"{table.policy}, {example.episode} step {example.step}, {told}",
            *([table.note] if table.note else []),
        ],
        tile_size=160,
        footnote=_KEPT_NOTE,
    )


def _darkened(
    picture: UInt8[np.ndarray, "height width 3"], kept: Bool[np.ndarray, "row column"]
) -> UInt8[np.ndarray, "height width 3"]:
    rows, columns = (
        np.arange(pixels) * cells // pixels for pixels, cells in zip(picture.shape[:2], kept.shape, strict=True)
    )
    return np.where(kept[np.ix_(rows, columns)][..., None], picture, picture // 6)
