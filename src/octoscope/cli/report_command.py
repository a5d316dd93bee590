"""`octoscope report`: attention and its tests in one page, for a sceptic."""

from collections.abc import Callable, Sequence

from octoscope.cli.opening import open_given, scene_options
from octoscope.cli.options.report import PARTS, ReportOptions
from octoscope.cli.report_attention import attention_parts
from octoscope.cli.report_material import ReportMaterial
from octoscope.cli.report_scores import faithfulness_part, sanity_part
from octoscope.cli.report_tests import ablation_part, drop_part, language_part
from octoscope.cli.selection import parse_selection
from octoscope.errors import EpisodeError, ObservationError, SelectionError, check_at_least, nearest
from octoscope.escaping.terminal import say
from octoscope.render.view import save_view
from octoscope.runs.staged_output import check_no_results, staged_output
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


class ReportCommand(ReportOptions):
    """`octoscope report` at work."""

    def __call__(self) -> None:
        """Makes every part, writes both pages, and prints the headlines."""
        self._check()
        material = self._material()
        report = make_report(material, self.parts)
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            (folder / "pictures").mkdir(parents=True)
            for part in report.parts:
                for figure in part.figures:
                    save_view(figure.view, folder / "pictures" / f"{figure.name}.{self.figure_format}")
            (folder / "report.md").write_text(
                report_markdown(report, figure_format=self.figure_format), encoding="utf-8"
            )
            (folder / "report.html").write_text(report_html(report), encoding="utf-8")
        for part in report.parts:
            say(f"{part.title} {part.headline or part.missing}")
        say("", f"The page: {self.output / _FOLDER / 'report.html'}")
        if report.note:
            say(report.note)

    def _check(self) -> None:
        """Refuses what cannot be, before any work is done."""
        for part in self.parts:
            if part not in PARTS:
                raise SelectionError(f"--parts must be of {', '.join(PARTS)}, got '{part}'.{nearest(part, PARTS)}")
        if not self.parts:
            raise SelectionError(f"--parts must name at least one of {', '.join(PARTS)}.")
        check_at_least(1, steps=self.steps, batch=self.batch)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])

    def _material(self) -> ReportMaterial:
        options = scene_options(self.given)
        model, source = open_given(self.given, self.checkpoint, self.episodes)
        chosen = [source[index] for index in parse_selection(self.episode, count=len(source), what="episode")]
        step = len(chosen[0]) // 2 if self.step is None else self.step
        step = parse_selection(str(step), count=len(chosen[0]), what="step")[0]
        return ReportMaterial(model, chosen, options, step, self.steps, self.seed, self.batch)


def make_report(material: ReportMaterial, parts: Sequence[str] = PARTS) -> Report:
    """Returns the report; a part that the policy or the episodes do not allow says why.

    Args:
      material: Policy, episodes, and how much of them.
      parts: Of `PARTS`.
    """
    made: list[ReportPart] = []
    # What no part could do without fails here.
    provenance = material.provenance()
    for place, name in enumerate([name for name in PARTS if name in parts], start=1):
        title, make = _MAKERS[name]
        say(f"[{place}/{len(set(parts))}] {title}", flush=True)
        try:
            made += make(material)
        except (EpisodeError, ObservationError, SelectionError) as error:
            made.append(ReportPart(name, title, "", missing=str(error)))
    dataset = material.episodes[0].dataset
    return Report(
        f"What {material.model.name} looks at on {dataset}, and whether it matters",
        material.model.note,
        provenance,
        made,
        _CAVEATS,
    )
