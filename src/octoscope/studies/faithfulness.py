"""Which maps tell what the action depends on? Findings of scores and of the sanity check, tables and pictures."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.episodes.episode import Episode
from octoscope.errors import check_at_least
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.faithfulness.randomize_policy import randomize_policy
from octoscope.faithfulness.randomized_weights import RandomizationTable
from octoscope.faithfulness.score import score_faithfulness
from octoscope.faithfulness.score_table import FaithfulnessTable
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.findings.finding_folder import FindingKind
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.made_from import StudiedEpisode, finding_request
from octoscope.studies.opening import Opened, open_given, reading_remarks, scene_options
from octoscope.studies.options.faithfulness import FaithfulnessOptions
from octoscope.studies.results import Results
from octoscope.studies.telling import Tell, silent
from octoscope.views.faithfulness_pictures import (
    faithfulness_curves_chart,
    faithfulness_maps_sheet,
    faithfulness_scores_chart,
)

FAITHFULNESS = FindingKind("faithfulness", FaithfulnessTable)
SANITY = FindingKind("sanity", RandomizationTable)


def faithfulness(
    options: FaithfulnessOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> tuple[FaithfulnessTable, RandomizationTable | None]:
    """Returns the scores, and the sanity check where it was asked for, after leaving findings, and tables and pictures drawn from them.

    Args:
      options: How methods are scored on which episodes, and where results go.
      opened: Policy and episodes, where they are open already.
      tell: Takes the tables and where everything is.
      progress: Show progress bars.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or results of another call lie there.
    """
    settings, given = faithfulness_settings(options), scene_options(options.given, tell=tell)
    settings.require_methods()
    check_at_least(1, draws=options.draws)
    results = Results(options.output, "faithfulness", options.overwrite)
    results.check(resume=options.resume)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    model, chosen = opened.model, opened.chosen(options.episode)
    requests = [faithfulness_request(options.output, model, chosen, settings, given=given, progress=progress)]
    if options.sanity:
        requests.append(
            sanity_request(
                options.output, model, chosen[0], settings, given=given, draws=options.draws, progress=progress
            )
        )
    results.check_drawn_from(requests)
    findings = [each.get_or_make(resume=options.resume, overwrite=options.overwrite) for each in requests]
    table: FaithfulnessTable = findings[0].value
    sanity: RandomizationTable | None = findings[1].value if options.sanity else None
    with results.drawn(requests) as folder:
        _draw(folder, table, sanity, figure_format=options.figure_format)
    tell(*table.to_markdown().split("\n"))
    if sanity is not None:
        tell("", *sanity.to_markdown().split("\n"))
    tell(*reading_remarks(model, chosen, given), *(line for each in findings for line in each.sentences()))
    tell("", f"Tables and pictures: {results.folder}", *([] if can_write_parquet() else [CSV_ONLY]))
    return table, sanity


def faithfulness_settings(options: FaithfulnessOptions) -> FaithfulnessSettings:
    """Returns how methods are scored.

    Raises:
      SelectionError: If a method or fill does not exist.
    """
    return FaithfulnessSettings(
        methods=options.methods,
        steps=options.steps,
        points=options.points,
        deletion=options.deletion,
        insertion=options.insertion,
        occlusion=options.occlusion,
        reference=options.reference,
        target=ActionTarget(options.dimension, options.horizon_step),
        path_tolerance=options.path_tolerance,
        seed=options.seed,
        batch=options.batch,
    )


def faithfulness_request(
    folder: Path,
    model: PolicyModel | HoldsPolicy,
    episodes: Sequence[Episode],
    settings: FaithfulnessSettings,
    *,
    given: BindOptions,
    progress: bool = False,
) -> FindingRequest:
    """Returns the request for the scores of methods; see `score_faithfulness`, and `ablation_request` for `folder` and `given`."""

    def make(kept: Steps) -> FaithfulnessTable:
        return score_faithfulness(model, episodes, settings, options=given, progress=progress, kept=kept)

    studied = [StudiedEpisode(each, spread_steps(len(each), settings.steps)) for each in episodes]
    arguments = {**vars(settings), "target": settings.target.label}
    return finding_request(folder, FAITHFULNESS, model, studied, given, arguments, make)


def sanity_request(
    folder: Path,
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    settings: FaithfulnessSettings,
    *,
    given: BindOptions,
    draws: int = 1,
    progress: bool = False,
) -> FindingRequest:
    """Returns the request for the randomisation check; see `randomize_policy`, and `ablation_request` for `folder` and `given`."""

    def make(kept: Steps) -> RandomizationTable:
        return randomize_policy(model, episode, settings, options=given, draws=draws, progress=progress, kept=kept)

    studied = StudiedEpisode(episode, spread_steps(len(episode), settings.steps))
    arguments = {**vars(settings), "target": settings.target.label, "draws": draws}
    return finding_request(folder, SANITY, model, [studied], given, arguments, make)


def _draw(folder: Path, table: FaithfulnessTable, sanity: RandomizationTable | None, *, figure_format: str) -> None:
    (folder / "scores.md").write_text(table.to_markdown() + "\n", encoding="utf-8")
    table.score_columns().write(folder, "scores")
    table.curve_columns().write(folder, "curves")
    save_view(faithfulness_scores_chart(table), folder / f"scores.{figure_format}")
    save_view(faithfulness_curves_chart(table), folder / f"curves.{figure_format}")
    save_view(faithfulness_maps_sheet(table), folder / f"maps.{figure_format}")
    if sanity is not None:
        (folder / "sanity.md").write_text(sanity.to_markdown() + "\n", encoding="utf-8")
