"""One writer per run: a lock that the system lets go of when its process dies, however it dies."""

import json
import os
import socket
from pathlib import Path
from typing import IO

from octoscope.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = "lock"


class RunLock:
    """Holds a run's work folder for this process, until `release`.

    The file names the process and its machine, for people. What decides is the system's own lock on it, so the file of a killed
    process on this machine stops nobody.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
          OutputError: If another process holds it, or one on another machine may.
        """
        self._path = folder / LOCK
        self._file = self._take()
        held = _read(self._file)
        # A network folder may not pass locks on, so another machine's word is taken.
        if held and held.get("host") != socket.gethostname():
            self._file.close()
            raise _refusal(self._path, held)
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "host": socket.gethostname()}, self._file)
        self._file.flush()

    def release(self) -> None:
        """Lets go of the lock and removes its file."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _take(self) -> IO[str]:
        while True:
            mode = "a+" if fcntl else "x+"
            try:
                file = self._path.open(mode, encoding="utf-8")
            except FileExistsError:
                raise _refusal(self._path, read_lock(self._path.parent) or {}) from None
            try:
                if fcntl:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = _read(file)
                file.close()
                raise _refusal(self._path, held) from None
            except OSError:
                # A file system without locks: two writers are then told apart only when they are on two machines.
                return file
            # Whoever held it may have removed the file between our opening and our locking.
            if self._path.exists() and os.fstat(file.fileno()).st_ino == self._path.stat().st_ino:
                return file
            file.close()


def read_lock(folder: Path) -> dict[str, str | int] | None:
    """Returns who writes in a work folder, `{"pid": ..., "host": ...}`, or None when nobody does."""
    try:
        with (folder / LOCK).open("r+", encoding="utf-8") as file:
            held = _read(file)
            if fcntl and held.get("host") == socket.gethostname():
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return held
                return None
            return held
    except OSError:
        return None


def _read(file: IO[str]) -> dict[str, str | int]:
    file.seek(0)
    try:
        return json.loads(file.read())
    except ValueError:
        return {}


def _refusal(path: Path, held: dict[str, str | int]) -> OutputError:
    who = f"process {held['pid']} on {held['host']}" if held else "another process"
    return OutputError(
        f"{path.parent} is being written by {who}. Wait for it, or give another folder; "
        f"if that process is gone for certain, remove {path}."
    )
