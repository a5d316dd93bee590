"""Every episode once, by whoever is there: the workers that were asked for, what could not be done, and what is said of it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from octoscope.errors import EpisodeError, Interrupted, OutputError, SelectionError
from octoscope.runs.episode_ledger import EpisodeLedger, Failure
from octoscope.studies.collecting.crew import Crew, Outcome, Task, run_crew
from octoscope.studies.collecting.here import CrewOfOne
from octoscope.studies.collecting.processes import ProcessCrew
from octoscope.studies.collecting.ray_crew import RayCrew
from octoscope.studies.options.spread import Spread
from octoscope.studies.selection import parse_share

_MOST_TOLD = 5


@contextlib.contextmanager
def begin_crew(spread: Spread, here: Any, open_worker: Callable[[], Any], *, most: int) -> Iterator[Crew]:
    """Gives the workers that were asked for.

    Args:
      spread: Who they are.
      here: The worker of this process, for a crew of one.
      open_worker: Opens another in its own process; it may be pickled.
      most: Tasks that there are at once.

    Raises:
      SelectionError: If there is no such cluster.
    """
    total = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if spread.ray is not None:
        with RayCrew(
            open_worker, address=spread.ray, size=spread.workers, cores=spread.cores or 1, gpus=spread.gpus
        ) as crew:
            yield crew
    elif spread.workers == 1 and spread.cores is None:
        yield CrewOfOne(here)
    else:
        size = min(spread.workers or total, most)
        with ProcessCrew(open_worker, size=size, cores=spread.cores or max(1, total // size)) as crew:
            yield crew


def gather(
    crew: Crew,
    tasks: Sequence[Task],
    ledger: EpisodeLedger,
    *,
    what: str,
    again: str,
    strict: bool = False,
    progress: bool = False,
) -> list[Failure]:
    """Does every task, and returns what could not be done, which is noted too.

    Args:
      crew: Who does them.
      tasks: What is to be done.
      ledger: Where failures are noted, and forgotten when an episode is done after all.
      what: The word of the progress bar.
      again: How to go on after Ctrl-C.
      strict: Stop at the first that cannot be done.
      progress: Show a progress bar.

    Raises:
      OutputError: If nothing can be written any more.
      EpisodeError: With `strict`, if an episode cannot be done.
      Interrupted: After Ctrl-C.
    """
    failures: list[Failure] = []
    done = 0
    with tqdm(total=len(tasks), desc=what, unit="episode", disable=not progress) as bar:
        try:
            for outcome in run_crew(crew, tasks):
                _keep(outcome, ledger, failures, strict=strict)
                done += outcome.whole
                bar.update()
                bar.set_postfix_str(f"{len(failures)} failed" if failures else "")
        except (Interrupted, KeyboardInterrupt):
            raise Interrupted(
                f"stopped: {done} of {len(tasks)} episodes are done, and what was begun is kept: {again}."
            ) from None
    return failures


def share_of(chosen: Sequence[int], shard: str | None, *, what: str = "episode") -> list[int]:
    """Returns the episodes, or whatever else is counted, that are this process's part.

    Raises:
      SelectionError: If there are none.
    """
    if shard is None:
        return list(chosen)
    part, parts = parse_share(shard, what="--shard")
    mine = [index for index in chosen if index % parts == part]
    if not mine:
        raise SelectionError(
            f"--shard {shard} holds none of the {len(chosen)} {what}s: a part holds those whose INDEX modulo {parts} is its number."
        )
    return mine


def failure_lines(failures: Sequence[Failure], ledger: EpisodeLedger, *, of: int) -> list[str]:
    """Returns what is said of episodes that could not be done: how many, and the first few."""
    lines = [f"episode {failure.index}: {failure.sentence.splitlines()[0]}" for failure in failures[:_MOST_TOLD]]
    if len(failures) > _MOST_TOLD:
        lines.append(f"and {len(failures) - _MOST_TOLD} more: {ledger.failures_folder}")
    if not failures:
        return []
    return [f"{len(failures)} of {of} episodes could not be run:", *(f"  {line}" for line in lines)]


def _keep(outcome: Outcome, ledger: EpisodeLedger, failures: list[Failure], *, strict: bool) -> None:
    if outcome.whole:
        ledger.forget_failure(outcome.index)
        return
    failure = Failure(outcome.index, outcome.error, outcome.sentence)
    if outcome.hopeless:
        raise OutputError(
            f"episode {failure.index}: {failure.sentence} What is whole is kept: the same command goes on."
        )
    ledger.note_failure(failure)
    failures.append(failure)
    if strict:
        raise EpisodeError(
            f"episode {failure.index}: {failure.sentence} Without --strict it would be listed and skipped."
        )
