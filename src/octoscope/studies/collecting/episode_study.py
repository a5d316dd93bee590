"""A study of many episodes: a finding for each, made by whoever is there, and which of them are whole."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from octoscope.errors import EpisodeError, ObservationError, OctoscopeError, OutputError, RunError, SelectionError
from octoscope.runs.episode_ledger import EpisodeLedger, Failure, begin_ledger, open_ledger
from octoscope.runs.findings.finding_folder import FindingKind, finding_path, read_finding
from octoscope.runs.findings.finding_head import FINDINGS, SUFFIX, read_head
from octoscope.studies.collecting.crew import Crew, Stage
from octoscope.studies.collecting.gathering import failure_lines, gather, share_of
from octoscope.studies.options.spread import Spread
from octoscope.studies.results import Results

_MOST_TRIED = 5


@dataclass(frozen=True)
class EpisodeFindings:
    """The findings of a kind, one for each episode: findings/faithfulness_maps/000012."""

    # Of results.
    folder: Path
    kind: FindingKind

    def path(self, index: int) -> Path:
        """Returns where an episode's finding lies, or will lie."""
        return finding_path(self.folder, self.kind, episode_place(index))

    def value(self, index: int) -> Any:
        """Returns what was found of an episode.

        Raises:
          FindingError: If it is damaged.
        """
        return read_finding(self.path(index), self.kind)

    def told(self, index: int) -> dict[str, Any]:
        """Returns what the policy was given of an episode; see `told_episode`.

        Raises:
          FindingError: If the finding is damaged.
        """
        (told,) = read_head(self.path(index)).provenance["episodes"]
        return told


def episode_place(index: int) -> str:
    """Returns the name of an episode's finding among those of its kind."""
    return f"{index:06}"


@dataclass(frozen=True, eq=False)
class EpisodeStudy:
    """Which episodes a study is of, and where it keeps what it finds of each.

    findings/language.episodes.json        what all are made from, and which episodes are wanted
    findings/language.failures/000013.json why episode 13 could not be studied, until it could
    findings/language_episode/000012       what was found of episode 12
    """

    # "faithfulness".
    name: str
    results: Results
    # JSON: all that the findings depend on besides the episodes.
    made_from: Mapping[str, Any]
    # Episodes, in the order in which they were asked for.
    chosen: Sequence[int]
    # Of each stage, the first one first.
    stages: tuple[FindingKind, ...]
    spread: Spread
    resume: bool = False

    @property
    def mine(self) -> list[int]:
        """The episodes that this process, or its workers, are to do.

        Raises:
          SelectionError: If they are none.
        """
        return share_of(self.chosen, self.spread.shard)

    def findings(self, stage: int) -> EpisodeFindings:
        """Returns the findings of a stage."""
        return EpisodeFindings(self.results.output, self.stages[stage])

    def begin(self) -> EpisodeLedger:
        """Returns the ledger, begun or gone on with.

        Raises:
          OutputError: If results of another call lie there, the work there was begun otherwise or needs `resume`, or nothing can be
            written.
        """
        home = self.results.output / FINDINGS
        file, failures = home / f"{self.name}.episodes.json", home / f"{self.name}.failures"
        try:
            if self.results.overwrite:
                for path in (failures, *(home / kind.name for kind in self.stages)):
                    shutil.rmtree(path, ignore_errors=True)
                file.unlink(missing_ok=True)
            elif file.exists():
                self._check_may_go_on(open_ledger(file, failures))
            return begin_ledger(file, failures, self.made_from, self.chosen)
        except (OutputError, RunError) as error:
            self.results.refuse_others()
            raise OutputError(f"{error} With --overwrite it is begun anew.") from None
        except OSError as error:
            raise OutputError(
                f"{home} cannot be written ({error.strerror or error}). Give another folder with -o."
            ) from error

    def do(self, stage: int, ledger: EpisodeLedger, crew: Crew, indices: Sequence[int], **more: Any) -> list[Failure]:
        """Does a stage of some episodes; see `gather`."""
        known, progress = more.get("known", ""), more.get("progress", False)
        tasks = [Stage(index, self.stages[stage].name, known) for index in indices]
        again = "go on with --resume" if self.spread.shard is None else "the same command goes on"
        return gather(
            crew,
            tasks,
            ledger,
            what=self.stages[stage].name.replace("_", " "),
            again=again,
            strict=self.spread.strict,
            progress=progress,
        )

    def whole(self, stage: int, ledger: EpisodeLedger) -> list[int]:
        """Returns the episodes that are whole up to a stage, in the order in which they were asked for."""
        failed = {failure.index for failure in ledger.failures()}
        findings = self.findings(stage)
        return [index for index in self.chosen if index not in failed and findings.path(index).is_dir()]

    def waiting(self, stage: int, ledger: EpisodeLedger) -> list[int]:
        """Returns the episodes that are neither whole nor known to fail."""
        settled = {*self.whole(stage, ledger), *(failure.index for failure in ledger.failures())}
        return [index for index in self.chosen if index not in settled]

    def failures(self, ledger: EpisodeLedger) -> tuple[Failure, ...]:
        """Returns why episodes that were asked for could not be done."""
        return tuple(failure for failure in ledger.failures() if failure.index in set(self.chosen))

    def results_for(self, ledger: EpisodeLedger) -> Results:
        """Returns the results, which replace those of fewer episodes where that was asked for."""
        grown = self.resume and set(self.chosen) == set(ledger.episodes)
        return replace(self.results, overwrite=self.results.overwrite or grown)

    def sentences(self, ledger: EpisodeLedger) -> list[str]:
        """Returns what must be said of episodes that failed, and of those that others have to do."""
        chosen = set(self.chosen)
        lines = failure_lines(self.failures(ledger), ledger, of=len(chosen))
        last = len(self.stages) - 1
        left = self.waiting(last, ledger)
        if self.spread.shard is None:
            return lines
        done = f"{len(self.whole(last, ledger))} of {len(chosen)} episodes are whole"
        if left:
            return [*lines, f"{done}, {len(left)} are missing: every shard's command once more makes them."]
        return [*lines, f"{done}. The same command without --shard, with --resume, makes the table and pictures."]

    def check_whole(self, ledger: EpisodeLedger) -> list[int]:
        """Returns the episodes that are whole.

        Raises:
          EpisodeError: If there are none, saying why the first is not.
        """
        whole = self.whole(len(self.stages) - 1, ledger)
        if not whole:
            first = self.failures(ledger)[0]
            raise EpisodeError(
                f"None of {len(self.chosen)} episodes could be studied; of episode {first.index}: {first.sentence}"
            )
        return whole

    def _check_may_go_on(self, earlier: EpisodeLedger) -> None:
        """Refuses, unasked, to go on with what was not finished, and to replace results of other episodes."""
        home, asked, there = self.results.output / FINDINGS, set(self.chosen), set(earlier.episodes)
        if not (there <= asked if self.resume else there == asked):
            self.results.refuse_others()
        if self.resume or self.spread.shard is not None:
            return
        begun = [path for kind in self.stages for path in (home / kind.name).glob("*") if path.is_dir()]
        if begun and not any(not path.name.endswith(SUFFIX) for path in (home / self.name).glob("*")):
            raise OutputError(
                f"{home / self.name} is begun and not finished: {len(begun)} findings of episodes are kept. Go on with --resume."
            )


def refuse_what_none_has(indices: Sequence[int], check: Callable[[int], None]) -> None:
    """Refuses what was asked for and no episode has, before anything is laid down.

    Args:
      indices: Of the episodes; the first few are tried.
      check: Raises an OctoscopeError for an episode that cannot be studied.

    Raises:
      OctoscopeError: That of the first, where all that were tried fail and no others are left, or what was asked for is to blame.
    """
    first: OctoscopeError | None = None
    for index in indices[:_MOST_TRIED]:
        try:
            check(index)
        except OctoscopeError as error:
            first = first or error
        else:
            return
    if first is not None and (len(indices) <= _MOST_TRIED or isinstance(first, SelectionError | ObservationError)):
        raise first
