"""What reads runs into the summaries beside them: one run after another, and nothing is opened but the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from octoscope.errors import Interrupted, RunError
from octoscope.studies.collecting.crew import Outcome, outcome_of, run_crew
from octoscope.studies.collecting.gathering import begin_crew, share_of
from octoscope.studies.options.spread import Spread, Workers
from octoscope.trends.summary_file import read_summary


@dataclass(frozen=True)
class SummaryWorker:
    """Leaves the summary of a run beside it, unless a good one lies there."""

    paths: Sequence[Path]

    def make(self, task: int) -> Outcome:
        """Summarises the run at that place; returns what became of it."""
        return outcome_of(task, lambda: len(read_summary(self.paths[task]).steps))

    def __call__(self) -> "SummaryWorker":
        """Returns itself: there is nothing to open."""
        return self


def summarize_runs(paths: Sequence[Path], workers: Workers, *, progress: bool = False) -> int:
    """Leaves summaries beside runs, or beside a shard of them, by as many workers as asked for; returns of how many.

    Args:
      paths: Of the runs.
      workers: Who reads them.
      progress: Show a progress bar.

    Raises:
      RunError: If a run is damaged; the others are summarised first.
      SelectionError: If the shard holds none, or there is no such cluster.
      Interrupted: After Ctrl-C.
    """
    mine = share_of(range(len(paths)), workers.shard, what="run")
    worker = SummaryWorker(tuple(paths))
    spread = Spread(workers.workers, workers.cores, None, workers.ray)
    failures: list[Outcome] = []
    with (
        begin_crew(spread, worker, worker, most=len(mine)) as crew,
        tqdm(total=len(mine), desc="summarise", unit="run", disable=not progress) as bar,
    ):
        try:
            for outcome in run_crew(crew, mine):
                failures += [] if outcome.whole else [outcome]
                bar.update()
        except (Interrupted, KeyboardInterrupt):
            raise Interrupted("stopped: the summaries that were made are kept: the same command goes on.") from None
    if failures:
        raise RunError(
            f"{len(failures)} of {len(mine)} runs could not be read, such as {paths[failures[0].index]}: {failures[0].sentence}"
        )
    return len(mine)
