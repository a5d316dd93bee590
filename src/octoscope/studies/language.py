"""Does the policy use its instruction? A finding, one number, a figure and a table."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.episodes.episode import Episode
from octoscope.faithfulness.language_table import LanguageTable
from octoscope.faithfulness.language_use import check_language, language_use
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.findings.finding_folder import FindingKind
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.made_from import StudiedEpisode, finding_request
from octoscope.studies.opening import Opened, open_given, reading_remarks, scene_options
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.results import Results
from octoscope.studies.telling import Tell, silent
from octoscope.views.language_effect import language_effect_chart

LANGUAGE = FindingKind("language", LanguageTable)


def language(
    options: LanguageOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> LanguageTable:
    """Returns how much the words matter, after leaving it as a finding, and a figure and a table drawn from it.

    Args:
      options: Which episodes, what is said instead, and where results go.
      opened: Policy and episodes, where they are open already.
      tell: Takes the number and where everything is.
      progress: Show a progress bar.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or results of another call lie there.
    """
    given = scene_options(options.given, tell=tell)
    results = Results(options.output, "language", options.overwrite)
    results.check(resume=options.resume)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    model, chosen = opened.model, opened.chosen(options.episode)
    request = language_request(
        options.output,
        model,
        chosen,
        given=given,
        steps=options.steps,
        swaps=options.swap,
        noises=options.noises,
        seed=options.seed,
        batch=options.batch,
        progress=progress,
    )
    results.check_drawn_from([request])
    finding = request.get_or_make(resume=options.resume, overwrite=options.overwrite)
    table: LanguageTable = finding.value
    with results.drawn([request]) as folder:
        table.columns().write(folder, "steps")
        save_view(language_effect_chart(table), folder / f"language.{options.figure_format}")
    tell(table.sentence(), *reading_remarks(model, chosen, given, others=options.swap), *finding.sentences())
    tell(f"Figure and table: {results.folder}", *([] if can_write_parquet() else [CSV_ONLY]))
    tell(*([opened.note] if opened.note else []))
    return table


def language_request(
    folder: Path,
    model: PolicyModel | HoldsPolicy,
    episodes: Sequence[Episode],
    *,
    given: BindOptions,
    steps: int | None = None,
    swaps: Sequence[str] = (),
    noises: int = 8,
    seed: int = 0,
    batch: int = 16,
    progress: bool = False,
) -> FindingRequest:
    """Returns the request for the use of words; see `language_use`, and `ablation_request` for `folder` and `given`.

    Raises:
      ObservationError: If the policy takes no words.
    """
    settings = {"steps": steps, "swaps": tuple(swaps), "noises": noises, "seed": seed, "batch": batch}

    def make(kept: Steps) -> LanguageTable:
        return language_use(model, episodes, options=given, progress=progress, kept=kept, **settings)

    check_language(model, episodes)
    studied = [
        StudiedEpisode(each, spread_steps(len(each), len(each) if steps is None else steps)) for each in episodes
    ]
    return finding_request(folder, LANGUAGE, model, studied, given, settings, make)
