"""Many episodes through a policy, each into a run of a collection."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from octoscope.errors import Interrupted, OctoscopeError, SelectionError
from octoscope.runs.collection import Collection, begin_collection
from octoscope.runs.contents import readable_bytes
from octoscope.runs.episode_ledger import Failure
from octoscope.studies.collecting.gathering import begin_crew, failure_lines, gather, share_of
from octoscope.studies.collecting.worker import EpisodeCapture, made_from, open_capture
from octoscope.studies.opening import Opened
from octoscope.studies.options.capture import CaptureOptions
from octoscope.studies.selection import parse_selection
from octoscope.studies.telling import Tell, silent

_MOST_TOLD = 5


@dataclass(frozen=True, eq=False)
class Captured:
    """The collection after a call, and what it could not make."""

    collection: Collection
    failures: tuple[Failure, ...]

    @property
    def ok(self) -> bool:
        """Whether every run that was asked for is there."""
        return not self.failures


def capture(
    options: CaptureOptions, *, opened: Opened | None = None, tell: Tell = silent, progress: bool = False
) -> Captured:
    """Returns the collection, after making the runs that were not there.

    Args:
      options: Which episodes, what is kept of them, by how many workers, and where to.
      opened: Policy and episodes, where they are open already; workers in other processes open them anew.
      tell: Takes what it will cost, what could not be run, and where everything is.
      progress: Show a progress bar.

    Raises:
      OctoscopeError: If something that was asked for cannot be, the collection there was made otherwise, nothing can be written any
        more, or, with `strict`, an episode cannot be run.
      Interrupted: After Ctrl-C, saying what was kept.
    """
    here = open_capture(options) if opened is None else EpisodeCapture(options, opened)
    chosen = _chosen(options, here, progress=progress)
    mine = share_of(chosen, options.spread.shard)
    # Before anything is laid down: what no episode can be asked is not to be held against the next call.
    each = _each(here, mine)
    collection = begin_collection(options.output, made_from(here), chosen)
    waiting = [index for index in mine if not collection.holds(index)]
    there = len(mine) - len(waiting)
    kept = f"; {there} are there already" if there else ""
    tell(f"{len(waiting)} episodes to run{kept}.{each}" if waiting else f"All {there} runs are there already.")
    failures = _make(options, here, collection, waiting, progress=progress) if waiting else []
    tell(*_summary(options, collection, failures, of=len(waiting)))
    return Captured(collection, tuple(failures))


def _make(
    options: CaptureOptions, here: EpisodeCapture, collection: Collection, waiting: Sequence[int], *, progress: bool
) -> list[Failure]:
    open_worker = functools.partial(open_capture, options)
    with begin_crew(options.spread, here, open_worker, most=len(waiting)) as crew:
        try:
            return gather(
                crew,
                waiting,
                collection.ledger,
                what="capture",
                again="the same command goes on",
                strict=options.spread.strict,
                progress=progress,
            )
        except Interrupted:
            done = sum(collection.holds(index) for index in waiting)
            raise Interrupted(
                f"stopped: {done} of {len(waiting)} runs are whole, and what was begun is kept. The same command goes on."
            ) from None


def _chosen(options: CaptureOptions, here: EpisodeCapture, *, progress: bool) -> list[int]:
    source = here.opened.source
    chosen = sorted(parse_selection(options.episode, count=len(source), what="episode"))
    if options.per_task is None:
        return chosen
    kept: dict[str, list[int]] = {}
    for index in tqdm(chosen, desc="reading words", unit="episode", disable=not progress):
        try:
            words = " ".join(source[index].instruction.casefold().split())
        except OctoscopeError:
            # It is tried, and told, with the others.
            words = f"episode {index}, which cannot be read"
        if len(kept.setdefault(words, [])) < options.per_task:
            kept[words].append(index)
    return sorted(index for indices in kept.values() for index in indices)


def _each(here: EpisodeCapture, chosen: Sequence[int]) -> str:
    """Returns what each step takes, of the first episode that the policy can run on.

    Raises:
      SelectionError: If something was asked for that none of the first episodes has.
    """
    refusal: SelectionError | None = None
    for index in chosen[:_MOST_TOLD]:
        try:
            episode = here.opened.source[index]
            steps, size = len(here.plan(episode)[0]), here.bytes_per_step(episode)
        except SelectionError as error:
            # Others may be longer, say; those that are not are told when it is their turn.
            refusal = refusal or error
        except OctoscopeError:
            continue
        else:
            return (
                f" Of each such as: {steps} steps of episode {index}, {readable_bytes(size)} a step before compression."
            )
    if refusal is not None:
        raise refusal
    return ""


def _summary(options: CaptureOptions, collection: Collection, failures: Sequence[Failure], *, of: int) -> list[str]:
    lines = failure_lines(failures, collection.ledger, of=of)
    missing = len(collection.missing())
    whole = len(collection.episodes) - missing
    who = (
        "the same command makes them"
        if options.spread.shard is None
        else "the other shards, or this one again, make them"
    )
    left = f", {missing} missing: {who}" if missing else ""
    return [*lines, f"{collection.folder}: {whole} of {len(collection.episodes)} runs are whole{left}."]
