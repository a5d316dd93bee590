"""The ablation sheet: each intervention's picture beside the bar of its effect, with noise floor and random regions."""

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Bool, UInt8
from octoscope.interventions.effects import Effect, StepEffects
from octoscope.render.hatching import hatch_image
from octoscope.render.lettering import draw_text, line_height, short_number, shortened, wrapped
from octoscope.render.palette import INK, MARK, PAPER, QUIET_INK, RULE, Color
from octoscope.render.panel_page import render_panel_page
from octoscope.render.photo import resize_photo
from octoscope.render.ticks import round_ticks

_WIDTH, _PICTURE, _GAP = 1010, 104, 8
_PICTURES = 2 * _PICTURE + _GAP
_BAR_LEFT, _NUMBER = _PICTURES + 290, 98
# Rows of words need no room for a picture.
_TEXT_ROW, _BETWEEN_ROWS, _HEAD = 58, 14, 44
_TEXT, _SMALL = 14, 12
_BAR_COLOR: Color = (122, 128, 138)
_CONTROL: Color = (216, 112, 20)
_DIRECT: Color = (0, 128, 96)
_FOOTNOTE = (
    "Grey bar: change of the whole action chunk under the same noise when the whole policy is run again; root mean square over horizon and "
    "dimensions, in standard deviations of the dataset's actions. Orange strokes: the same region at random places that share at most "
    "5 % of it, or as many other words. Blue line: the noise floor, the mean change when nothing but the noise changes. Green bar: "
    "masked keys hidden from the readout's own attention alone, exact for the direct path only; what it lacks of the grey bar comes "
    "through other tokens. Open loop. Covered pictures are unlike training pictures: an effect may come from the cover, which random "
    "regions and a second fill tell."
)


def render_ablation_sheet(found: StepEffects) -> UInt8[np.ndarray, "height width 3"]:
    """Draws one line for each intervention: what the policy was shown instead, what was done, and how much the action changed.

    Patches masked as keys are hatched: the policy cannot look at them, but nothing was painted. Where words changed, they stand in place
    of the picture. All bars are on one linear scale from 0, which also holds all strokes and the noise floor. A green bar under a grey one
    is the fast pass over the readout alone, exact for the direct path only. The numbers beneath a label are the change in the dataset's
    units, of the three dimensions that changed most against their noise.

    Args:
      found: From `intervene`.

    Raises:
      ValueError: If there is no effect to draw.
    """
    if not found.effects:
        raise ValueError("`found` must hold at least one effect, got none.")
    floor = None if np.isnan(found.noise_floor) else found.noise_floor
    sizes = [size for effect in found.effects for size in (effect.size, effect.direct, *effect.controls)]
    top = max(floor or 0.0, *(size for size in sizes if not np.isnan(size))) or 1.0
    rows = [_head(top), *(_row(found, effect, top=top, floor=floor) for effect in found.effects)]
    between = np.full((_BETWEEN_ROWS, _WIDTH, 3), PAPER, np.uint8)
    table = np.concatenate([part for row in rows for part in (row, between)])
    told = f'"{found.instruction}"' if found.instruction else "no words"
    subtitle = [
        f"{found.policy}, {found.episode} step {found.step}, told {told}; seed {found.seed}, "
        + (
            f"noise floor {floor:.3f} from {len(found.noise)} other draws"
            if len(found.noise)
            else "no other noise was drawn"
        ),
        *([found.note] if found.note else []),
        *found.notes(),
    ]
    return render_panel_page(
        [table], title="What changes the action", subtitle=subtitle, footnote=_FOOTNOTE, columns=1, widest=_WIDTH
    )


def _across(value: float, top: float) -> int:
    return _BAR_LEFT + round(value / top * (_WIDTH - _BAR_LEFT - _NUMBER))


def _head(top: float) -> UInt8[np.ndarray, "height width 3"]:
    """Draws the scale of all bars."""
    canvas = Image.new("RGB", (_WIDTH, _HEAD), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw_text(canvas, (_BAR_LEFT, 0), "change of the action, standard deviations", size=_SMALL, color=QUIET_INK)
    draw.line((_BAR_LEFT, _HEAD - 1, _across(top, top), _HEAD - 1), fill=RULE)
    for tick in round_ticks(0.0, top, most=6):
        at = _across(tick, top)
        draw.line((at, _HEAD - 6, at, _HEAD - 1), fill=RULE)
        draw_text(canvas, (at, _HEAD - 8), short_number(tick), size=_SMALL, color=QUIET_INK, anchor="ms")
    return np.asarray(canvas)


def _row(found: StepEffects, effect: Effect, *, top: float, floor: float | None) -> UInt8[np.ndarray, "height width 3"]:
    height = _PICTURE if effect.pictures or effect.masked else _TEXT_ROW
    canvas = Image.new("RGB", (_WIDTH, height), PAPER)
    _draw_pictures(canvas, found, effect)
    lines = wrapped(effect.label, width=_BAR_LEFT - _PICTURES - 34, size=_TEXT, most_lines=3)
    first = max(0, height // 2 - 10 - len(lines) * line_height(_TEXT) // 2)
    for place, line in enumerate(lines):
        draw_text(canvas, (_PICTURES + 18, first + place * line_height(_TEXT)), line, size=_TEXT)
    below = first + 4 + len(lines) * line_height(_TEXT)
    text = shortened(_largest_dimensions(found, effect), width=_BAR_LEFT - _PICTURES - 34, size=_SMALL)
    draw_text(canvas, (_PICTURES + 18, below), text, size=_SMALL, color=QUIET_INK)
    _draw_bar(canvas, effect, top=top, floor=floor)
    return np.asarray(canvas)


def _draw_pictures(canvas: Image.Image, found: StepEffects, effect: Effect) -> None:
    if effect.words is not None and not effect.pictures and not effect.masked:
        words = f'"{effect.words}"' if effect.words else "(no words)"
        lines = wrapped(words, width=_PICTURES, size=_TEXT, most_lines=3)
        first = (canvas.height - len(lines) * line_height(_TEXT)) // 2
        for place, line in enumerate(lines):
            draw_text(canvas, (0, first + place * line_height(_TEXT)), line, size=_TEXT, color=MARK)
        return
    shown = dict.fromkeys([*effect.pictures, *effect.masked])
    if not shown:
        at = (0, canvas.height // 2)
        draw_text(canvas, at, "current pictures unchanged", size=_SMALL, color=QUIET_INK, anchor="lm")
    for place, camera in enumerate(list(shown)[:2]):
        picture = resize_photo(effect.pictures.get(camera, found.pictures[camera])[..., :3], _PICTURE)
        if camera in effect.masked:
            picture = _hatched(picture, effect.masked[camera])
        canvas.paste(Image.fromarray(picture), (place * (_PICTURE + _GAP), 0))


def _hatched(
    picture: UInt8[np.ndarray, "height width 3"], masked: Bool[np.ndarray, "row column"]
) -> UInt8[np.ndarray, "height width 3"]:
    rows, columns = (
        np.arange(pixels) * cells // pixels for pixels, cells in zip(picture.shape[:2], masked.shape, strict=True)
    )
    hatched = (0.45 * picture + 0.55 * hatch_image(*picture.shape[:2])).astype(np.uint8)
    return np.where(masked[np.ix_(rows, columns)][..., None], hatched, picture)


def _largest_dimensions(found: StepEffects, effect: Effect) -> str:
    """Returns the three dimensions that changed most against what noise does to them, each with its unit."""
    change = effect.per_dimension()
    noise = found.noise_per_dimension
    against = change / noise if len(found.noise) and (noise > 0).all() else change
    largest = np.argsort(np.where(found.moves, -against, np.inf), kind="stable")[:3]
    names, units = found.units.names, found.units.units
    parts = [
        f"{names[i]} {short_number(float(change[i]))} {units[i]}" for i in largest if change[i] > 0 and found.moves[i]
    ]
    return ", ".join(parts).replace(" as recorded", "").replace(" 0..1", "")


def _draw_bar(canvas: Image.Image, effect: Effect, *, top: float, floor: float | None) -> None:
    draw = ImageDraw.Draw(canvas)
    height = canvas.height
    middle = height // 2
    draw.line((_BAR_LEFT - 1, 4, _BAR_LEFT - 1, height - 4), fill=RULE)
    draw.rectangle(
        (_BAR_LEFT, middle - 11, max(_BAR_LEFT, _across(effect.size, top) - 1), middle + 11), fill=_BAR_COLOR
    )
    if not np.isnan(effect.direct):
        end = max(_BAR_LEFT, _across(effect.direct, top) - 1)
        draw.rectangle((_BAR_LEFT, middle + 14, end, middle + 20), fill=_DIRECT)
        draw_text(
            canvas, (_WIDTH - 2, middle + 18), f"direct {effect.direct:.3f}", size=_SMALL, color=_DIRECT, anchor="rm"
        )
    for control in effect.controls:
        at = _across(control, top)
        draw.rectangle((at - 1, middle - 17, at, middle + 11), fill=_CONTROL)
    if floor is not None:
        at = _across(floor, top)
        draw.rectangle((at - 1, 2, at, height - 2), fill=MARK)
    draw_text(canvas, (_WIDTH - 2, middle), f"{effect.size:.3f}", size=_TEXT, color=INK, anchor="rm")
