"""Attention and its tests in one page, for a sceptic; every part is a finding first."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from octoscope.errors import EpisodeError, ObservationError, SelectionError, check_at_least, nearest
from octoscope.policies.policy_model import as_policy
from octoscope.render.view import save_view
from octoscope.studies.opening import Opened, open_given, scene_options
from octoscope.studies.options.report import PARTS, ReportOptions
from octoscope.studies.report.attention_parts import attention_parts
from octoscope.studies.report.intervention_parts import ablation_part, drop_part, language_part
from octoscope.studies.report.material import ReportMaterial
from octoscope.studies.report.part_costs import part_forwards
from octoscope.studies.report.score_parts import faithfulness_part, sanity_part
from octoscope.studies.results import Results
from octoscope.studies.selection import parse_step
from octoscope.studies.telling import Tell, silent
from octoscope.studies.work_shown import work_of, work_shown
from octoscope.views.report_content import Report, ReportPart
from octoscope.views.report_html import report_html
from octoscope.views.report_markdown import report_markdown

_FOLDER = "report"
_MAKERS: dict[str, tuple[str, Callable[[ReportMaterial], Sequence[ReportPart]]]] = {
    "attention": ("Where does the readout look?", attention_parts),
    "ablation": ("What changes the action?", lambda material: [ablation_part(material)]),
    "language": ("Do the words matter?", lambda material: [language_part(material)]),
    "faithfulness": ("Which maps tell what the action depends on?", lambda material: [faithfulness_part(material)]),
    "sanity": ("Do the maps depend on what was learnt?", lambda material: [sanity_part(material)]),
    "drop-tokens": ("Could the background be left out?", lambda material: [drop_part(material)]),
}
_CAVEATS = (
    "Open loop: frames and history are the recorded ones, whatever the policy does. Nothing here says how it would fare in a closed loop.",
    "Everything is of this checkpoint, these episodes and steps, under this noise. More steps and episodes make intervals narrower.",
    "Covered pictures are unlike anything in training; masked keys are not, which is why both stand beside each other.",
    "Effects of single regions miss what several regions tell alike.",
)


def report(
    options: ReportOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> Report:
    """Returns the report, after leaving both pages, and beside them the findings that they are drawn from.

    Args:
      options: Which parts of which episodes, and where results go.
      opened: Policy and episodes, where they are open already.
      tell: Takes what is being made, the headlines, and where everything is.
      progress: Show progress bars.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or a report of other findings lies there.
    """
    _check(options)
    results = Results(options.output, _FOLDER, options.overwrite)
    results.check(resume=options.resume)
    given = scene_options(options.given, tell=tell)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    chosen = opened.chosen(options.episode)
    step = parse_step(options.step, count=len(chosen[0]))
    material = ReportMaterial(
        opened.model,
        chosen,
        given,
        step,
        options.max_steps,
        options.seed,
        options.batch,
        options.output,
        options.resume,
        options.overwrite,
        tell,
        progress,
        results,
    )
    costs = [part_forwards(material, name) for name in PARTS if name in options.parts]
    with work_shown(sum(costs), of=work_of("report", opened.model), tell=tell, progress=progress) as left:
        # One bar for all of it: those of the parts would tell of their own ends alone.
        quiet = dataclasses.replace(material, progress=progress and not sum(costs))
        report = make_report(quiet, options.parts, done=lambda part: left(sum(costs[part:])))
    with results.drawn(quiet.requests) as folder:
        _write(folder, report, figure_format=options.figure_format)
    tell(*(f"{part.title} {part.headline or part.missing}" for part in report.parts))
    tell("", f"The page: {options.output / _FOLDER / 'report.html'}", *([report.note] if report.note else []))
    return report


def _check(options: ReportOptions) -> None:
    """Refuses what cannot be, before any work is done."""
    for part in options.parts:
        if part not in PARTS:
            raise SelectionError(f"--parts must be of {', '.join(PARTS)}, got '{part}'.{nearest(part, PARTS)}")
    if not options.parts:
        raise SelectionError(f"--parts must name at least one of {', '.join(PARTS)}.")
    check_at_least(1, max_steps=options.max_steps, batch=options.batch)


def _write(folder: Path, report: Report, *, figure_format: str) -> None:
    (folder / "pictures").mkdir(parents=True)
    for part in report.parts:
        for figure in part.figures:
            save_view(figure.view, folder / "pictures" / f"{figure.name}.{figure_format}")
    (folder / "report.md").write_text(report_markdown(report, figure_format=figure_format), encoding="utf-8")
    (folder / "report.html").write_text(report_html(report), encoding="utf-8")


def make_report(
    material: ReportMaterial, parts: Sequence[str] = PARTS, *, done: Callable[[int], None] = lambda part: None
) -> Report:
    """Returns the report; a part that the policy or the episodes do not allow says why.

    Args:
      material: Policy, episodes, and how much of them.
      parts: Of `PARTS`.
      done: Told after each part how many there are.
    """
    made: list[ReportPart] = []
    # What no part could do without fails here.
    provenance = material.provenance()
    for place, name in enumerate([name for name in PARTS if name in parts], start=1):
        title, make = _MAKERS[name]
        material.tell(f"[{place}/{len(set(parts))}] {title}")
        try:
            made += make(material)
        except (EpisodeError, ObservationError, SelectionError) as error:
            made.append(ReportPart(name, title, "", missing=str(error)))
        done(place)
    dataset, card = material.episodes[0].dataset, as_policy(material.model).card
    return Report(
        f"What {card.name} looks at on {dataset}, and whether it matters",
        card.note,
        provenance,
        made,
        _CAVEATS,
    )
