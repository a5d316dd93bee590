"""Dropped tokens in pictures: error and time against the kept part, and what each score keeps of one frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.faithfulness.drop_table import WAYS, DropTable
from octoscope.render.chart import Chart, Curve, Lines
from octoscope.render.palette import INK, MARK, QUIET_INK, Color
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn

_SCORE: Color = (216, 112, 20)
_OTHERS: Color = (214, 216, 220)
_TICKS = (0, 25, 50, 75, 100)
_CURVES_NOTE = (
    "Orange: this score, its largest patches kept; band: 95 % interval over the n episodes. Pale grey: the other scores. Dashed dark: "
    "random patches, mean over several draws. Dashed blue: what other noise alone does. Error: change of the action chunk under the same "
    "noise, root mean square, in standard deviations of the dataset's actions. Open loop: a small error at each step may still grow in a "
    "closed loop. The image encoder still sees the whole picture, so a kept token may know of dropped neighbours. Time: median over rounds "
    "in which every part was timed once; band: quartiles. Times that are noise are grey dots that nothing joins."
)
_KEPT_NOTE = "Bright: patches whose tokens are kept, at every timestep of the window. Dark: dropped."


def drop_curves_chart(table: DropTable) -> Chart:
    """Returns the error of the action against the part of the image tokens that is kept, a panel for each score, and the time of a step.

    All panels have one scale. In each, one score stands out with its interval, the others are pale, and random patches and the noise floor
    are dashed.

    Args:
      table: From `drop_tokens`.
    """
    kept = 100 * np.array(table.fractions)[::-1]
    rows = {
        name: {part: np.array([getattr(score, part) for score in row])[::-1] for part in ("mean", "low", "high")}
        for name, row in zip(table.scores, table.errors, strict=True)
    }
    floor = table.noise_floor.mean
    means = np.stack([row["mean"] for row in rows.values()])
    top = max(float(np.nanmax(means)), 0.0 if np.isnan(floor) else floor, 1e-6)
    axis: dict[str, Any] = {"at": kept.tolist(), "x_ticks": _TICKS, "x_label": "% kept", "sampled": True, "height": 220}
    panels = [
        Lines(
            _curves(rows, name, np.full(len(kept), floor)), title=f"{name}, n = {errors[0].episodes}", top=top, **axis
        )
        for name, errors in zip(rows, table.errors, strict=True)
    ]
    if table.times.rounds:
        low, middle, high = 1000 * table.times.quartiles()[:, ::-1]
        title = f"time of a step, ms, {table.times.rounds} rounds"
        panels.append(
            Lines(
                time_curves(low, middle, high, noise=bool(table.times.noise)),
                title=f"NOISE: {title}" if table.times.noise else title,
                top=float(high.max()),
                **axis,
            )
        )
    tokens = "in the sequence" if table.how == "remove" else "that can be looked at"
    subtitle = [
        f"{table.policy} on {table.dataset}: {table.steps} steps of {table.episodes} episodes; {table.tokens[0]} tokens {tokens}, "
        f"{min(table.tokens)} with {100 * min(table.fractions):.0f} % of the image tokens",
        f"Error of the action when only a part of the image tokens {WAYS[table.how].kept}. {table.noise_sentence()}",
        *(part for part in (table.few, table.times.noise, table.note) if part),
    ]
    return Chart(
        panels=panels,
        title=f"Image tokens {WAYS[table.how].done}: error of the action against the part that is kept",
        subtitle=subtitle,
        footnote=_CURVES_NOTE,
        columns=4,
    )


render_drop_curves = drawn(drop_curves_chart)


def time_curves(
    low: Float[np.ndarray, " point"],
    middle: Float[np.ndarray, " point"],
    high: Float[np.ndarray, " point"],
    *,
    noise: bool,
) -> list[Curve]:
    """Returns the curve of times with its band; of noise only dots, one a curve, since a line would tell a tale."""
    if not noise:
        return [Curve(middle, color=INK, width=1.6, low=low, high=high)]
    alone = np.where(np.eye(len(middle), dtype=bool), middle, np.nan)
    return [
        Curve(np.full(len(middle), np.nan), color=QUIET_INK, low=low, high=high),
        *(Curve(values, color=QUIET_INK, width=1.6) for values in alone),
    ]


def _curves(rows: Mapping[str, Mapping[str, np.ndarray]], chosen: str, floor: np.ndarray) -> list[Curve]:
    """Returns the curves of one panel, from back to front: the other scores, the noise, random patches, the chosen score."""
    curves = [
        Curve(row["mean"], color=_OTHERS, width=1.2, dots=False)
        for name, row in rows.items()
        if name not in (chosen, "random")
    ]
    curves.append(Curve(floor, color=MARK, width=1.4, dashed=True, dots=False))
    of = rows[chosen]
    if chosen == "random":
        return [
            *curves,
            Curve(of["mean"], color=QUIET_INK, width=1.8, dashed=True, low=of["low"], high=of["high"]),
        ]
    if "random" in rows:
        curves.append(Curve(rows["random"]["mean"], color=QUIET_INK, width=1.4, dashed=True, dots=False))
    return [*curves, Curve(of["mean"], color=_SCORE, width=1.8, low=of["low"], high=of["high"])]


def kept_tokens_sheet(table: DropTable) -> Sheet:
    """Returns the patches that each score keeps of one step at several fractions, the dropped ones dark.

    Args:
      table: From `drop_tokens`.
    """
    example = table.example
    rows = []
    for camera, picture in example.pictures.items():
        for place, fraction in enumerate(example.fractions):
            tiles = [Tile("as the policy sees it", picture[..., :3])]
            tiles += [
                Tile(name, _darkened(picture[..., :3], kept[camera][place])) for name, kept in example.kept.items()
            ]
            rows.append(SheetRow(f"{camera}, {100 * fraction:.0f} % kept", tiles))
    told = f'told "{example.instruction}"' if example.instruction else "no words"
    return Sheet(
        rows=rows,
        title="The image tokens that each score keeps",
        subtitle=[
            f"{table.policy}, {example.episode} step {example.step}, {told}; fractions are of the patches of all cameras together",
            *([table.note] if table.note else []),
        ],
        tile_size=160,
        footnote=_KEPT_NOTE,
    )


render_kept_tokens = drawn(kept_tokens_sheet)


def _darkened(
    picture: UInt8[np.ndarray, "height width 3"], kept: Bool[np.ndarray, "row column"]
) -> UInt8[np.ndarray, "height width 3"]:
    rows, columns = (
        np.arange(pixels) * cells // pixels for pixels, cells in zip(picture.shape[:2], kept.shape, strict=True)
    )
    return np.where(kept[np.ix_(rows, columns)][..., None], picture, picture // 6)
