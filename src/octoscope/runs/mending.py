"""Going on with an unfinished run that was damaged: what can be put back is, and steps that are lost are made again.

Only steps whose every file can be read count as kept. So nothing that a power cut, a full disk or a careless hand left of a run gets
into the finished one.
"""

import shutil
from pathlib import Path

import numpy as np
import zarr
from zarr.storage import LocalStore

from octoscope.errors import RunError
from octoscope.runs.array_writer import WholeArrays, create_whole, every_chunk, file_of, file_rows
from octoscope.runs.step_journal import StepJournal
from octoscope.runs.stored_metadata import metadata_files
from octoscope.runs.unfinished import Unfinished
from octoscope.runs.whole_chunks_store import WholeChunksStore


def open_damaged(work: Unfinished) -> zarr.Group:
    """Returns the group of an unfinished run, with every zarr.json as it was written.

    Raises:
      RunError: If what it was begun with can no longer be told.
    """
    work.restore_metadata()
    try:
        return zarr.open_group(work.run, mode="r+")
    except Exception as error:  # zarr raises whatever its JSON leads it to
        raise RunError(
            f"{work.folder} is damaged: what it was begun with cannot be read ({type(error).__name__}). Begin anew with --overwrite."
        ) from None


def mend_whole(work: Unfinished, group: zarr.Group, whole: WholeArrays, *, level: int) -> None:
    """Writes again what is there from the beginning (frames, recorded actions), where it is not as given."""
    for name, (array, dimensions) in whole.items():
        stored = _open(group, name)
        if stored is None or stored.shape != array.shape or stored.dtype != array.dtype:
            shutil.rmtree(work.run / name, ignore_errors=True)
            create_whole(group, {name: (array, dimensions)}, level=level)
            continue
        guarded = _open(_guarded(work), name)
        for rows in file_rows(stored):
            given = np.ascontiguousarray(array[rows])
            if guarded is None or not _holds(guarded, rows, given):
                _remove(file_of(work.run, stored, name, rows.start))
                with every_chunk():
                    stored[rows] = given


def sound_steps(work: Unfinished, group: zarr.Group, journal: StepJournal, whole: WholeArrays, *, steps: int) -> int:
    """Returns how many first steps lie in the arrays and can be read; what else is there of later ones is removed.

    Args:
      work: Where the run lies.
      group: The run.
      journal: Its steps that do not fill a shard; what it notes is not taken on trust.
      whole: Arrays that do not come step by step.
      steps: Of the whole run.
    """
    names = [name for name in _array_folders(work.run) if name not in whole]
    arrays = {name: _open(group, name) for name in names}
    noted = journal.flushed if journal.flushed is not None else journal.lowest
    kept = min(steps if noted is None else noted, steps)
    if None in arrays.values() or not arrays:
        # An array that cannot be opened is made again, and all steps with it.
        kept = 0
    sound = {name: array for name, array in arrays.items() if array is not None and array.shape[:1] == (steps,)}
    # Shards are only written whole.
    shard = max((array.shards[0] for array in sound.values() if array.shards), default=1)
    kept = _aligned(kept, shard, steps)
    guarded = _guarded(work)
    for name, array in sound.items():
        readable = _open(guarded, name)
        for rows in file_rows(array):
            if rows.start >= kept:
                break
            if readable is None or not _holds(readable, slice(rows.start, min(rows.stop, kept)), None):
                _remove(file_of(work.run, array, name, rows.start))
                kept = _aligned(rows.start, shard, steps)
    for name in names:
        if kept == 0:
            shutil.rmtree(work.run / name)
        elif (array := sound[name]).shards:
            for rows in file_rows(array):
                if rows.start >= kept:
                    _remove(file_of(work.run, array, name, rows.start))
    return kept


def _aligned(count: int, shard: int, steps: int) -> int:
    return steps if count >= steps else count - count % shard


def _array_folders(run: Path) -> list[str]:
    """Returns the names of all arrays, also of those whose zarr.json is gone: what has chunks, or says that it is an array."""
    with_chunks = {path.parent.relative_to(run).as_posix() for path in run.rglob("c") if path.is_dir()}
    groups = {path for name in metadata_files(run) for path in _parents(name)}
    return sorted((with_chunks | set(metadata_files(run))) - groups - {""})


def _parents(name: str) -> list[str]:
    return ["/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)]


def _guarded(work: Unfinished) -> zarr.Group:
    return zarr.open_group(WholeChunksStore(LocalStore(work.run, read_only=True)), mode="r")


def _open(group: zarr.Group, name: str) -> zarr.Array | None:
    try:
        array = group[name]
    except Exception:  # whatever a damaged zarr.json leads zarr to
        return None
    return array if isinstance(array, zarr.Array) else None


def _holds(array: zarr.Array, rows: slice, given: np.ndarray | None) -> bool:
    """Returns whether entries can be read, and are the given ones where there are some."""
    try:
        stored = np.asarray(array[rows])
    except Exception:  # zarr's codecs raise their own kinds
        return False
    return given is None or stored.tobytes() == given.tobytes()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
