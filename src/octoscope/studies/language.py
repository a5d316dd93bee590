"""Does the policy use its instruction? A finding, one number, a figure and a table."""

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from octoscope.episodes.episode import Episode
from octoscope.errors import OctoscopeError
from octoscope.faithfulness.language_table import EpisodeLanguage, LanguageTable
from octoscope.faithfulness.language_use import (
    check_language,
    check_takes_words,
    language_table,
    language_use,
    other_words,
)
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, as_policy
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.episode_ledger import EpisodeLedger, Failure
from octoscope.runs.findings.finding_folder import FindingKind
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.collecting.episode_study import EpisodeStudy, refuse_what_none_has
from octoscope.studies.collecting.gathering import begin_crew
from octoscope.studies.collecting.language_worker import EPISODE, LanguageWorker
from octoscope.studies.collecting.made_of import made_of
from octoscope.studies.made_from import StudiedEpisode, finding_request, plain_arguments, told_request
from octoscope.studies.opening import Opened, open_given, reading_remarks, scene_options
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.results import Results
from octoscope.studies.telling import Tell, silent
from octoscope.studies.work_shown import work_of, work_shown
from octoscope.views.language_effect import language_effect_chart

LANGUAGE = FindingKind("language", LanguageTable)


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a call found: nothing yet where other shards have to do their part."""

    table: LanguageTable | None
    failures: tuple[Failure, ...]

    @property
    def ok(self) -> bool:
        """Whether every episode could be studied."""
        return not self.failures


def language(
    options: LanguageOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> Spoken:
    """Returns how much the words matter, after leaving it as a finding, and a figure and a table drawn from it.

    Args:
      options: Which episodes, what is said instead, by how many workers, and where results go.
      opened: Policy and episodes, where they are open already; workers in other processes open them anew.
      tell: Takes the number, what could not be studied, and where everything is.
      progress: Show progress bars.

    Raises:
      OctoscopeError: If something that was asked for cannot be, results of another call lie there, no episode can be studied, or, with
        `strict`, one cannot.
      Interrupted: After Ctrl-C, saying what was kept.
    """
    results = Results(options.output, "language", options.overwrite)
    results.check(resume=options.resume)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    check_takes_words(opened.model)
    words = _words(options, opened, progress=progress)
    here = open_language(options, words, opened, tell=tell)
    study = EpisodeStudy(
        "language",
        results,
        {**made_of(opened, options.given), "arguments": plain_arguments(here.arguments())},
        here.chosen,
        (EPISODE,),
        options.spread,
        options.resume,
    )
    refuse_what_none_has(study.mine, here.check)
    ledger = study.begin()
    open_worker = functools.partial(open_language, options, words)
    here_alone = options.spread.workers == 1 and options.spread.ray is None
    with (
        work_shown(
            _forwards(options, opened, study, ledger, words),
            of=work_of("language", opened.model),
            tell=tell,
            progress=progress and here_alone,
        ),
        begin_crew(options.spread, here, open_worker, most=len(study.mine)) as crew,
    ):
        study.do(0, ledger, crew, study.mine, progress=progress)
    if options.spread.shard is not None:
        tell(*study.sentences(ledger))
        return Spoken(None, study.failures(ledger))
    table = _drawn(options, here, study, ledger, study.check_whole(ledger), tell=tell)
    return Spoken(table, study.failures(ledger))


def _forwards(
    options: LanguageOptions, opened: Opened, study: EpisodeStudy, ledger: EpisodeLedger, words: Sequence[str]
) -> int:
    """Returns about how many forwards are to come, as if all episodes were as long as the first."""
    waiting = [index for index in study.waiting(0, ledger) if index in set(study.mine)]
    if not waiting:
        return 0
    steps = options.max_steps or len(opened.source[waiting[0]])
    return len(waiting) * steps * step_forwards(words, noises=options.noises)


def step_forwards(words: Sequence[str], *, noises: int = 8) -> int:
    """Returns about how many forwards a step takes, among these instructions."""
    # As recorded, without words, with them shuffled, and with those of the others; then under other noise.
    return 3 + max(1, len(words) - 1) + noises


def open_language(
    options: LanguageOptions, words: Sequence[str], opened: Opened | None = None, *, tell: Tell = silent
) -> LanguageWorker:
    """Opens policy and episodes; what a worker begins with.

    Raises:
      OctoscopeError: If one of them is not there.
    """
    given = scene_options(options.given, tell=tell)
    opened = opened or open_given(options.given, options.checkpoint, options.episodes, tell=tell)
    return LanguageWorker(options.output, opened, opened.places(options.episode), options, words, given)


def _words(options: LanguageOptions, opened: Opened, *, progress: bool) -> list[str]:
    """Returns what may be said instead of an episode's words: what was given, or those of all episodes that were asked for."""
    if options.swap or options.given.task is not None:
        return list(options.swap) or [options.given.task or ""]
    words: list[str] = []
    chosen = opened.places(options.episode)
    for index in tqdm(chosen, desc="reading words", unit="episode", disable=not progress):
        # One that cannot be read is told when it is its turn.
        with contextlib.suppress(OctoscopeError):
            words.append(opened.source[index].instruction)
    return other_words(words)


def _drawn(
    options: LanguageOptions,
    here: LanguageWorker,
    study: EpisodeStudy,
    ledger: EpisodeLedger,
    whole: Sequence[int],
    *,
    tell: Tell,
) -> LanguageTable:
    model, opened, results = here.opened.model, here.opened, study.results_for(ledger)
    request = _table_request(here, study, whole)
    results.check_drawn_from([request])
    finding = request.get_or_make(resume=options.resume, overwrite=options.overwrite)
    table: LanguageTable = finding.value
    with results.drawn([request]) as folder:
        table.columns().write(folder, "steps")
        save_view(language_effect_chart(table), folder / f"language.{options.figure_format}")
    episodes = (opened.source[index] for index in whole)
    tell(table.sentence(), *reading_remarks(model, episodes, here.given, others=options.swap), *finding.sentences())
    tell(*study.sentences(ledger))
    tell(f"Figure and table: {results.folder}", *([] if can_write_parquet() else [CSV_ONLY]))
    tell(*([opened.note] if opened.note else []))
    return table


def _table_request(here: LanguageWorker, study: EpisodeStudy, whole: Sequence[int]) -> FindingRequest:
    """Returns the request for the table over episodes, which is computed from what was kept of each."""
    model, findings = here.opened.model, study.findings(0)
    told = [findings.told(index) for index in whole]

    def make(kept: Steps) -> LanguageTable:
        every: list[EpisodeLanguage] = [findings.value(index) for index in whole]
        return language_table(as_policy(model).card, told[0]["dataset"], every, seed=here.options.seed)

    # What is said instead differs by the place among those that were asked for.
    left_out = [] if list(whole) == list(here.chosen) else [list(here.chosen).index(index) for index in whole]
    arguments = {**here.arguments(), **({"places": left_out} if left_out else {})}
    return told_request(here.folder, LANGUAGE, model, told, arguments, make)


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
