"""Writing a run, step by step: what is written is on disk, a killed job goes on where it was, and memory does not grow."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.codecs import ZstdCodec

from octoscope.errors import OutputError, RunError
from octoscope.runs.chunk_sizes import step_chunks, steps_per_shard, whole_chunks
from octoscope.runs.manifest import differences
from octoscope.runs.run import FORMAT, Run
from octoscope.runs.run_lock import RunLock, read_lock
from octoscope.runs.step_journal import StepArrays, StepJournal
from octoscope.runs.unfinished import Unfinished


@runtime_checkable
class SlicedArray(Protocol):
    """An array of NumPy or zarr, or the frames of an episode, which are decoded as they are sliced."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns its sizes."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Returns the type of its numbers."""
        ...

    def __getitem__(self, index: slice, /) -> Any:
        """Returns a part of it."""
        ...


# Arrays that are there from the beginning, read slice by slice: by name, the array and the names of its axes.
WholeArrays = Mapping[str, tuple[SlicedArray, tuple[str, ...]]]
_ATTENTION, _ENCODINGS = "attention/", "encodings/"


@contextlib.contextmanager
def _every_chunk() -> Iterator[None]:
    """Lets chunks of zeros be written as well: one that is missing was lost."""
    with zarr.config.set({"array.write_empty_chunks": True}):
        yield


class RunWriter:
    """Takes manifest and frames at once, then one step after another; finished only when `with` ends well.

    At a path the run lies in NAME.unfinished until it is whole (see `unfinished`). Whatever ends the writer early, steps that
    `append_step` took are kept there, and a writer with `resume` goes on with the next one, to the same bytes.
    """

    def __init__(
        self,
        store: str | Path | Store,
        *,
        manifest: Mapping[str, Any],
        whole: WholeArrays | None = None,
        resume: bool = False,
        overwrite: bool = False,
        level: int = 1,
    ) -> None:
        """Starts a run, or goes on with an unfinished one.

        Args:
          store: A path, or a zarr store (`zarr.storage.MemoryStore()` keeps the run in memory).
          manifest: All that a run says of itself; must hold "steps", "query_groups" and "layout".
          whole: Arrays that do not come step by step.
          resume: Go on with the unfinished run at the path, if there is one.
          overwrite: Replace what is at the path, once the new run is whole; an unfinished run there is begun anew.
          level: Of the zstd compression, 1 (fast) to 22.

        Raises:
          OutputError: If there is something at the path, it cannot be written, or somebody else writes it.
          RunError: If the unfinished run was begun with another manifest.
        """
        self._manifest = json.loads(json.dumps(dict(manifest)))
        self._steps = len(manifest["steps"])
        self._level = level
        self._pending: list[StepArrays] = []
        self._flushed = 0
        self._work = Unfinished(Path(store)) if isinstance(store, str | Path) else None
        self._journal: StepJournal | None = None
        self._lock: RunLock | None = None
        self._begun_here = False
        if self._work is None:
            self._store = store
            self._group = self._create(store, whole or {})
            return
        self._store = self._work.target
        _check_free(self._work, resume=resume, overwrite=overwrite)
        try:
            with self._told_on_failure():
                self._group = self._open(self._work, whole or {}, resume=resume)
        except BaseException:
            self._release()
            raise

    @property
    def written(self) -> int:
        """Steps that are kept."""
        return self._flushed + len(self._pending)

    def __enter__(self) -> "RunWriter":
        """Returns the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Puts the finished run in its place; after an error keeps the steps so far, or removes a run without any."""
        try:
            if kind is None:
                assert self.written == self._steps, f"{self.written} of {self._steps} steps were written"
                with self._told_on_failure():
                    self._finish()
        finally:
            self._release()

    def append_step(self, arrays: StepArrays) -> None:
        """Writes one step: for each name its array and the names of its axes, without the step's.

        Raises:
          OutputError: If it cannot be written; the steps before are kept.
        """
        with self._told_on_failure():
            if self._journal is not None:
                self._journal.add(self.written, arrays)
            self._pending.append(arrays)
            if len(self._pending) >= self._shard_steps(arrays):
                self._flush()

    def kept(self) -> str:
        """Returns the sentence that says what there is to go on with; "" when there is nothing."""
        if self._work is None or not self.written:
            return ""
        return f"{self.written} of {self._steps} steps are kept in {self._work.folder}: go on with --resume."

    def read(self) -> Run:
        """Returns the run, once it is finished."""
        return Run.open(self._store)

    def _open(self, work: Unfinished, whole: WholeArrays, *, resume: bool) -> zarr.Group:
        work.make_folder()
        self._lock = RunLock(work.folder)
        if not (resume and work.exists()):
            self._begun_here = True
            work.clear()
            self._create(work.begun, whole)
            work.begun.rename(work.run)
        work.sweep()
        group = zarr.open_group(work.run, mode="r+")
        found = differences(dict(group.attrs), self._manifest)
        if found:
            raise RunError(
                f"{work.folder} was begun with other arguments: {'; '.join(found)}. Give the same ones, another folder, or "
                "--overwrite to begin anew."
            )
        self._journal = StepJournal(work.journal)
        self._flushed = self._journal.flushed
        self._pending = self._journal.pending()
        return group

    @_every_chunk()
    def _create(self, store: str | Path | Store, whole: WholeArrays) -> zarr.Group:
        group = zarr.create_group(store, zarr_format=3)
        group.attrs.update({**self._manifest, "format": FORMAT, "complete": False})
        for name, (array, dimensions) in whole.items():
            chunks, shards = whole_chunks(array.shape, array.dtype.itemsize)
            target = self._create_array(group, name, array.shape, array.dtype, chunks, shards, dimensions)
            rows = (shards or chunks)[0]
            for start in range(0, array.shape[0], rows):
                target[start : start + rows] = np.asarray(array[start : start + rows])
        return group

    def _create_array(
        self,
        group: zarr.Group,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        chunks: tuple[int, ...],
        shards: tuple[int, ...] | None,
        dimensions: tuple[str, ...],
    ) -> zarr.Array:
        return group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            shards=shards,
            dtype=dtype,
            compressors=ZstdCodec(level=self._level, checksum=True),
            dimension_names=dimensions,
        )

    def _shard_steps(self, arrays: StepArrays) -> int:
        large = sum(array.nbytes for name, (array, _) in arrays.items() if name.startswith((_ATTENTION, _ENCODINGS)))
        return min(self._steps, steps_per_shard(large))

    @_every_chunk()
    def _flush(self) -> None:
        """Moves the pending steps into the run's arrays."""
        if not self._pending:
            return
        stop = self.written
        shard_steps = self._shard_steps(self._pending[0])
        for name, (first, dimensions) in self._pending[0].items():
            if name not in self._group:
                if "/" in name:
                    # Before the array, which would else be there without its group after a kill in between.
                    self._group.require_group(name.rpartition("/")[0])
                split = shard_steps if name.startswith((_ATTENTION, _ENCODINGS)) else None
                layered = name.startswith(_ATTENTION)
                chunks, shards = step_chunks(first.shape, steps=self._steps, shard_steps=split, layered=layered)
                shape = (self._steps, *first.shape)
                self._create_array(self._group, name, shape, first.dtype, chunks, shards, ("step", *dimensions))
            target = self._group[name]
            assert isinstance(target, zarr.Array), f"{name} was created as an array"
            target[self._flushed : stop] = np.stack([arrays[name][0] for arrays in self._pending])
            if self._work is not None:
                _force_to_disk(self._work.run / name, target, self._flushed)
        if self._journal is not None:
            self._journal.flush(stop)
        self._pending, self._flushed = [], stop

    def _finish(self) -> None:
        self._flush()
        self._group.attrs["complete"] = True
        if self._work is not None:
            self._work.move_into_place()

    def _release(self) -> None:
        """Lets others at the run; of a run without steps nothing is left."""
        if self._work is None:
            return
        if self._lock is not None:
            # Only what was begun here: an unfinished run that could not be gone on with is not ours.
            if self._begun_here and not self.written:
                self._work.clear()
            self._lock.release()
            self._lock = None
        self._work.remove_empty_folders()

    @contextlib.contextmanager
    def _told_on_failure(self) -> Iterator[None]:
        """Turns what the system says into what the user can do."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"The run {self._store} cannot be written ({error.strerror or error}). "
                f"{self.kept() or 'Give another place, or mend this one.'}"
            ) from error


def open_finished(path: str | Path, *, manifest: Mapping[str, Any]) -> Run | None:
    """Returns the run at a path, or None when there is none yet or it is still being made.

    Raises:
      RunError: If the run there was made from something else.
    """
    work = Unfinished(Path(path))
    if not work.target.exists() or work.exists():
        return None
    run = Run.open(path)
    found = differences(run.manifest, json.loads(json.dumps(dict(manifest))))
    if found:
        raise RunError(
            f"{path} was made with other arguments: {'; '.join(found)}. Give the same ones, another folder, or --overwrite."
        )
    if work.folder.exists() and read_lock(work.folder) is None:
        # Its writer was killed after the last step but one thing: cleaning up.
        shutil.rmtree(work.folder, ignore_errors=True)
    return run


def _check_free(work: Unfinished, *, resume: bool, overwrite: bool) -> None:
    if resume or overwrite:
        return
    if work.target.exists():
        raise OutputError(f"{work.target} exists already. Give a path that does not, or remove it.")
    if work.exists():
        kept, wanted = work.progress() or (0, 0)
        raise OutputError(
            f"{work.folder} holds an unfinished run ({kept} of {wanted} steps). Go on with it with --resume, begin anew with "
            "--overwrite, or give another path."
        )


def _force_to_disk(folder: Path, array: zarr.Array, start: int) -> None:
    """Makes sure of the file that was just written, before the journal forgets its steps."""
    file_steps = (array.shards or array.chunks)[0]
    key = array.metadata.encode_chunk_key((start // file_steps, *[0] * (array.ndim - 1)))  # pyright: ignore[reportAttributeAccessIssue]  # zarr v3 has it
    with (folder / key).open("rb") as file:
        os.fsync(file.fileno())
