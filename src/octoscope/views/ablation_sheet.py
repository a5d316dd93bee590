"""The ablation chart: each intervention's picture beside the bar of its effect, with noise floor and random regions."""

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.interventions.effects import Effect, StepEffects
from octoscope.render import chart
from octoscope.render.chart import Chart, Effects
from octoscope.render.hatching import hatch_image
from octoscope.render.lettering import short_number
from octoscope.render.photo import resize_photo
from octoscope.render.view import drawn

_PICTURE = 104
_FOOTNOTE = (
    "Grey bar: change of the whole action chunk under the same noise when the whole policy is run again; root mean square over horizon and "
    "dimensions, in standard deviations of the dataset's actions. Orange strokes: the same region at random places that share at most "
    "5 % of it, or as many other words. Blue line: the noise floor, the mean change when nothing but the noise changes. Green bar: "
    "masked keys hidden from the readout's own attention alone, exact for the direct path only; what it lacks of the grey bar comes "
    "through other tokens. Open loop. Covered pictures are unlike training pictures: an effect may come from the cover, which random "
    "regions and a second fill tell."
)


def ablation_chart(found: StepEffects) -> Chart:
    """Returns one line for each intervention: what the policy was shown instead, what was done, and how much the action changed.

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
    rows = [_row(found, effect) for effect in found.effects]
    effects = Effects(rows, "change of the action, standard deviations", top, floor)
    return Chart("What changes the action", [effects], subtitle=subtitle, footnote=_FOOTNOTE)


render_ablation_sheet = drawn(ablation_chart)


def _row(found: StepEffects, effect: Effect) -> chart.Effect:
    shown = list(dict.fromkeys([*effect.pictures, *effect.masked]))[:2]
    reworded = effect.words is not None and not shown
    return chart.Effect(
        effect.label,
        effect.size,
        direct=effect.direct,
        controls=effect.controls.tolist(),
        note=_largest_dimensions(found, effect),
        pictures=[_picture(found, effect, camera) for camera in shown],
        words=(f'"{effect.words}"' if effect.words else "(no words)") if reworded else "",
        remark="" if reworded or shown else "current pictures unchanged",
    )


def _picture(found: StepEffects, effect: Effect, camera: str) -> UInt8[np.ndarray, "height width 3"]:
    picture = resize_photo(effect.pictures.get(camera, found.pictures[camera])[..., :3], _PICTURE)
    return _hatched(picture, effect.masked[camera]) if camera in effect.masked else picture


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
