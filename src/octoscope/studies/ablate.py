"""Something is taken away from a step, and the policy acts again: effects as a finding, a table and a sheet for each step."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from octoscope.episodes.episode import Episode
from octoscope.interventions.descriptions import CoverPatches, CoverPixels, Intervention, MaskKeys
from octoscope.interventions.effects import StepEffects
from octoscope.interventions.intervene import intervene
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.render.view import save_view
from octoscope.runs.column_table import ColumnTable
from octoscope.runs.findings.finding_folder import FindingKind
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.intervention_specs import parse_fills, parse_intervention
from octoscope.studies.made_from import StudiedEpisode, finding_request
from octoscope.studies.opening import Opened, open_given, scene_options
from octoscope.studies.options.ablate import AblateOptions
from octoscope.studies.results import Results
from octoscope.studies.selection import parse_steps
from octoscope.studies.telling import Tell, silent
from octoscope.studies.work_shown import work_of, work_shown
from octoscope.views.ablation_sheet import ablation_chart

ABLATION = FindingKind("ablation", tuple[StepEffects, ...])
_DEFAULTS = {"noises": 8, "controls": 8, "units": None}


def ablate(
    options: AblateOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> tuple[StepEffects, ...]:
    """Returns the effects of each step, after leaving them as a finding, and a table and sheets drawn from it.

    Args:
      options: What is done to which steps, and where results go.
      opened: Policy and episodes, where they are open already.
      tell: Takes the table and where everything is.
      progress: Show a progress bar.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or results of another call lie there.
    """
    fills = parse_fills(options.fill)
    asked = [each for text in options.do for each in parse_intervention(text, fills=fills)]
    given = scene_options(options.given, tell=tell)
    results = Results(options.output, "ablation", options.overwrite)
    results.check(resume=options.resume)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    model, episode = opened.model, opened.chosen_one(options.episode)
    steps = parse_steps(options.steps, count=len(episode))
    interventions = {
        step: asked or usual_interventions(StepScene.at(model, episode, step, **given.arguments()), fills=fills)
        for step in steps
    }
    request = ablation_request(
        options.output,
        model,
        episode,
        interventions,
        given=given,
        seed=options.seed,
        noises=options.noises,
        controls=options.controls,
        units=options.units or None,
        batch=options.batch,
        progress=progress,
    )
    results.check_drawn_from([request])
    cost = sum(step_forwards(each, controls=options.controls, noises=options.noises) for each in interventions.values())
    with work_shown(
        request.cost_of(cost, overwrite=options.overwrite), of=work_of("ablation", model), tell=tell, progress=progress
    ):
        finding = request.get_or_make(resume=options.resume, overwrite=options.overwrite)
    with results.drawn([request]) as folder:
        effect_columns(finding.value).write(folder, "effects")
        for effects in finding.value:
            save_view(ablation_chart(effects), folder / f"step_{effects.step}.{options.figure_format}")
    for effects in finding.value:
        tell(*effect_lines(effects))
    tell(*finding.sentences(), f"Table and sheets: {results.folder}", *([opened.note] if opened.note else []))
    return finding.value


def step_forwards(interventions: Sequence[Intervention], *, controls: int = 8, noises: int = 8) -> int:
    """Returns about how many forwards a step takes: fewer random regions may fit the picture."""
    placed = sum(isinstance(each, CoverPatches | CoverPixels | MaskKeys) for each in interventions)
    return 1 + len(interventions) + placed * controls + noises


def ablation_request(
    folder: Path,
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    interventions: Mapping[int, Sequence[Intervention]],
    *,
    given: BindOptions,
    progress: bool = False,
    **settings: Any,
) -> FindingRequest:
    """Returns the request for the effects of interventions on some steps.

    Args:
      folder: Of results.
      model: The policy.
      episode: The recording.
      interventions: By step.
      given: What the policy is given besides what is recorded.
      progress: Show a progress bar.
      settings: The others of `intervene`.
    """

    def make(kept: Steps) -> tuple[StepEffects, ...]:
        bar = tqdm(interventions.items(), desc="ablation", unit="step", disable=not progress or len(interventions) == 1)
        return tuple(
            kept.get_or_make(
                f"step_{step}",
                StepEffects,
                functools.partial(intervene, model, episode, step, asked, **settings, **given.arguments()),
            )
            for step, asked in bar
        )

    labels = list(dict.fromkeys(each.label for asked in interventions.values() for each in asked))
    arguments = {**_DEFAULTS, **settings, "interventions": labels, "interventions_sha256": [*interventions.values()]}
    studied = StudiedEpisode(episode, list(interventions))
    return finding_request(folder, ABLATION, model, [studied], given, arguments, make)


def effect_lines(found: StepEffects) -> list[str]:
    """Returns the effects of a step as the lines of a table."""
    width = max(len(effect.label) for effect in found.effects)
    units = found.units.labels()
    told = f', told "{found.instruction}"' if found.instruction else ""
    lines = [
        f"Step {found.step}{told}. Change of the action chunk in standard deviations of the dataset's actions; "
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
