"""The steps of a run that is still being written, as a run in memory: to look at, never to keep.

Costs what the steps take in memory; of large ones only as many as fit into a bound.
"""

from collections.abc import Mapping

import numpy as np
import zarr
from zarr.storage import MemoryStore

from octoscope.errors import RunError
from octoscope.runs.chunk_files import STEP
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.step_journal import StepArrays, StepJournal
from octoscope.runs.stored_arrays import axis_names, stored_arrays
from octoscope.runs.stored_metadata import OWN
from octoscope.runs.unfinished import Unfinished

MOST_BYTES = 512 * 2**20
_TRIES = 3


def read_so_far(work: Unfinished, *, most_bytes: int = MOST_BYTES) -> Run | None:
    """Returns the first steps of an unfinished run, or None where none is kept yet.

    Args:
      work: Where the run lies while it is written; nothing is changed there.
      most_bytes: Of the steps; later ones are left out.

    Raises:
      RunError: If what is there cannot be read.
    """
    for _ in range(_TRIES):
        flushed = StepJournal(work.journal).flushed
        try:
            run = _read(work, flushed or 0, most_bytes)
        except RunError:
            raise
        except Exception as error:  # whatever half a run leads zarr to
            if StepJournal(work.journal).flushed == flushed:
                raise RunError(
                    f"The steps so far in {work.folder} cannot be read ({type(error).__name__}: {error})."
                ) from None
            continue
        # Steps may have moved from the journal into the arrays while they were read.
        if StepJournal(work.journal).flushed == flushed:
            return run
    return None


def _read(work: Unfinished, flushed: int, most_bytes: int) -> Run | None:
    attributes = work.attributes()
    if not work.exists() or not attributes:
        return None
    stored = dict(stored_arrays(zarr.open_group(work.run, mode="r")))
    of_steps = {name: array for name, array in stored.items() if axis_names(array)[:1] == (STEP,)}
    pending = StepJournal(work.journal).pending(flushed)
    size = _step_bytes(of_steps, pending)
    count = min(flushed + len(pending), len(attributes["steps"]), most_bytes // max(1, size))
    if count == 0:
        return None
    manifest = {name: value for name, value in attributes.items() if name not in OWN}
    whole = {name: (np.asarray(array[:]), axis_names(array)) for name, array in stored.items() if name not in of_steps}
    with RunWriter(MemoryStore(), manifest={**manifest, "steps": manifest["steps"][:count]}, whole=whole) as writer:
        for step in range(min(count, flushed)):
            writer.append_step(
                {name: (np.asarray(array[step]), axis_names(array)[1:]) for name, array in of_steps.items()}
            )
        for arrays in pending[: max(0, count - flushed)]:
            writer.append_step(arrays)
    return writer.read()


def _step_bytes(arrays: Mapping[str, zarr.Array], pending: list[StepArrays]) -> int:
    if pending:
        return sum(array.nbytes for array, _ in pending[0].values())
    return sum(array.nbytes // max(1, array.shape[0]) for array in arrays.values())
