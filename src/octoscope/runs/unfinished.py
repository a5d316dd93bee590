"""Where a run lies while it is written: beside its place, so that nobody takes half a run for a whole one.

NAME.zarr.unfinished/run.zarr   the arrays so far; renamed to NAME.zarr when the last step is in
NAME.zarr.unfinished/journal    steps that do not fill a shard yet
NAME.zarr.unfinished/lock       who writes
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import zarr

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

    def sweep(self) -> None:
        """Removes the half files that zarr leaves behind when it is killed while it writes."""
        for path in self.run.rglob("*.partial"):
            path.unlink(missing_ok=True)

    def move_into_place(self) -> None:
        """Puts the run at its target, in the place of what was there; a kill in between loses neither."""
        old = self.folder / "old.zarr"
        if self.target.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.target.rename(old)
        self.run.rename(self.target)
        shutil.rmtree(self.folder, ignore_errors=True)

    def progress(self) -> tuple[int, int] | None:
        """Returns (steps that are kept, steps asked for), or None when nothing can be told."""
        try:
            wanted = zarr.open_group(self.run, mode="r").attrs["steps"]
        except (OSError, ValueError, KeyError):
            return None
        flushed = self.journal / "flushed.json"
        kept = int(flushed.read_text()) if flushed.exists() else 0
        while (self.journal / f"{kept:06d}.npz").exists():
            kept += 1
        return kept, len(wanted) if isinstance(wanted, list) else 0
