"""Where a run lies while it is written: beside its place, so that nobody takes half a run for a whole one.

NAME.zarr.unfinished/run.zarr       the arrays so far; renamed to NAME.zarr when the last step is in
NAME.zarr.unfinished/metadata.json  a second copy of every zarr.json in it: what the run was begun with, and what its arrays are
NAME.zarr.unfinished/journal        steps that do not fill a shard yet
NAME.zarr.unfinished/lock           who writes
"""

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.runs.chunk_files import METADATA
from octoscope.runs.durable_file import write_durably
from octoscope.runs.step_journal import StepJournal
from octoscope.runs.stored_metadata import metadata_files

SUFFIX = ".unfinished"


@dataclass(frozen=True)
class Unfinished:
    """The work folder of the run that will lie at `target`."""

    target: Path

    @property
    def folder(self) -> Path:
        """The work folder."""
        return self.target.with_name(self.target.name + SUFFIX)

    @property
    def run(self) -> Path:
        """The run so far; there only when frames and manifest are in."""
        return self.folder / "run.zarr"

    @property
    def begun(self) -> Path:
        """The run before its frames are in."""
        return self.folder / "begun.zarr"

    @property
    def journal(self) -> Path:
        """Steps that do not fill a shard yet."""
        return self.folder / "journal"

    @property
    def metadata(self) -> Path:
        """The second copy of what the run and its arrays are."""
        return self.folder / "metadata.json"

    def make_folder(self) -> None:
        """Makes the work folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def remove_empty_folders(self) -> None:
        """Removes the work folder and the one around it, where nothing is in them."""
        for folder in (self.folder, self.folder.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def exists(self) -> bool:
        """Returns whether there is something to go on with."""
        return self.run.is_dir()

    def clear(self) -> None:
        """Removes what was written, but not the lock."""
        for path in (self.run, self.begun, self.journal):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"*{self.metadata.name}"):
            path.unlink()

    def sweep(self) -> None:
        """Removes the half files that zarr leaves behind when it is killed while it writes."""
        for path in self.run.rglob("*.partial"):
            path.unlink(missing_ok=True)

    def keep_metadata(self, run: Path) -> None:
        """Writes the second copy of what is in the run's metadata files."""
        texts = {name: content.decode() for name, content in metadata_files(run).items()}
        write_durably(self.metadata, json.dumps({"sha256": _digest(texts), "files": texts}).encode())

    def kept_metadata(self) -> dict[str, str]:
        """Returns the second copy; empty where there is none, or it is damaged itself."""
        try:
            kept = json.loads(self.metadata.read_bytes())
            return kept["files"] if kept["sha256"] == _digest(kept["files"]) else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def restore_metadata(self) -> None:
        """Puts back every metadata file of the run that is not as it was written: gone, empty, cut or changed."""
        there = metadata_files(self.run)
        for name, text in self.kept_metadata().items():
            if there.get(name) != text.encode():
                (self.run / name).mkdir(parents=True, exist_ok=True)
                write_durably(self.run / name / METADATA, text.encode())

    def attributes(self) -> dict[str, Any]:
        """Returns what the run was begun with, from either copy; empty where neither can be read."""
        for text in (self._own_metadata(), self.kept_metadata().get("", "")):
            try:
                attributes = json.loads(text)["attributes"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(attributes, dict) and attributes:
                return attributes
        return {}

    def move_into_place(self) -> None:
        """Puts the run at its target, in the place of what was there; a kill in between loses neither."""
        old = self.folder / "old.zarr"
        if self.target.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.target.rename(old)
        self.run.rename(self.target)
        shutil.rmtree(self.folder, ignore_errors=True)

    def progress(self) -> tuple[int, int] | None:
        """Returns (steps that are kept, steps asked for), or None when there is nothing or nothing can be told."""
        wanted = self.attributes().get("steps") if self.exists() else None
        if not isinstance(wanted, list):
            return None
        journal = StepJournal(self.journal)
        flushed = journal.flushed
        # Without the note, what is counted again when the run is gone on with.
        first = flushed if flushed is not None else journal.lowest or 0
        return min(first + journal.count_from(first), len(wanted)), len(wanted)

    def told_progress(self) -> str:
        """Returns how far the run is, as people say it: "7 of 12 steps"."""
        progress = self.progress()
        return "an unknown number of steps" if progress is None else f"{progress[0]} of {progress[1]} steps"

    def _own_metadata(self) -> bytes:
        try:
            return (self.run / METADATA).read_bytes()
        except OSError:
            return b""


def _digest(texts: Any) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
