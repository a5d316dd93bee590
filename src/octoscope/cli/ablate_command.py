"""`octoscope ablate`: something is taken away from a step, and the policy acts again."""

from collections.abc import Sequence

import numpy as np

from octoscope.cli.intervention_specs import parse_fills, parse_intervention
from octoscope.cli.opening import open_given, scene_options
from octoscope.cli.options.ablate import AblateOptions
from octoscope.cli.selection import parse_selection
from octoscope.escaping.terminal import say
from octoscope.interventions.effects import StepEffects
from octoscope.interventions.intervene import intervene
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.render.view import save_view
from octoscope.runs.column_table import ColumnTable
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.views.ablation_sheet import ablation_chart

_FOLDER = "ablation"


class Ablate(AblateOptions):
    """`octoscope ablate` at work."""

    def __call__(self) -> None:
        """Runs, writes the table and the sheets, and prints the table."""
        fills = parse_fills(self.fill)
        asked = [found for text in self.do for found in parse_intervention(text, fills=fills)]
        options = scene_options(self.given)
        model, source = open_given(self.given, self.checkpoint, self.episodes)
        episode = source[parse_selection(str(self.episode), count=len(source), what="episode")[0]]
        steps = parse_selection(self.step, count=len(episode), what="step")
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        found: list[StepEffects] = []
        for step in steps:
            effects = intervene(
                model,
                episode,
                step,
                asked or usual_interventions(StepScene.at(model, episode, step, **vars(options)), fills=fills),
                seed=self.seed,
                noises=self.noises,
                controls=self.controls,
                units=self.units or None,
                batch=self.batch,
                **vars(options),
            )
            say(*effect_lines(effects))
            found.append(effects)
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            effect_columns(found).write(folder, "effects")
            for effects in found:
                save_view(ablation_chart(effects), folder / f"step_{effects.step}.{self.figure_format}")
        say(f"Table and sheets: {self.output / _FOLDER}")
        if model.note:
            say(model.note)


def effect_lines(found: StepEffects) -> list[str]:
    """Returns the effects of a step as the lines of a table."""
    width = max(len(effect.label) for effect in found.effects)
    units = found.units.labels()
    lines = [
        f'Step {found.step}, told "{found.instruction}". Change of the action chunk in standard deviations of the dataset\'s actions; '
        + (
            "no other noise was drawn."
            if np.isnan(found.noise_floor)
            else f"other noise changes it by {found.noise_floor:.4f}."
        ),
        f"{'':{width}}  change  direct  random places     {'  '.join(units)}",
    ]
    for effect in found.effects:
        controls = f"{effect.controls.min():.4f}..{effect.controls.max():.4f}" if len(effect.controls) else "-"
        numbers = "  ".join(
            f"{value:{len(unit)}.4f}" for value, unit in zip(effect.per_dimension(), units, strict=True)
        )
        direct = "-" if np.isnan(effect.direct) else f"{effect.direct:.4f}"
        lines.append(f"{effect.label:{width}}  {effect.size:.4f}  {direct:6}  {controls:16}  {numbers}")
    if any(not np.isnan(effect.direct) for effect in found.effects):
        lines.append(
            "Change: the whole policy run again. Direct: the same keys hidden from the readout's own attention alone, a fast pass that is "
            "exact for the direct path only."
        )
    return [*lines, *found.notes()]


def effect_columns(found: Sequence[StepEffects]) -> ColumnTable:
    """Returns one line for each step and intervention, and one for the noise of each step."""
    unknown = float("nan")
    rows: list[tuple[str | int | float, ...]] = []
    for effects in found:
        floor = float(effects.noise_floor)
        for effect in effects.effects:
            places = effect.controls
            mean, most = (float(places.mean()), float(places.max())) if len(places) else (unknown, unknown)
            numbers = effect.per_dimension().tolist()
            row = (effects.step, effect.label, effect.size, effect.direct, len(places), mean, most, floor, *numbers)
            rows.append(row)
        if not np.isnan(floor):
            noise = effects.noise_per_dimension.tolist()
            rows.append((effects.step, "(other noise)", floor, unknown, 0, unknown, unknown, floor, *noise))
    names = ("step", "intervention", "change", "change (direct path only)", "random places")
    names += ("random places mean", "random places max", "noise floor", *found[0].units.labels())
    return ColumnTable.of_rows(names, rows)
