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

    def __init__(self, folder: Path, *, take_over: bool = False) -> None:
        """Takes the lock.

        Args:
          folder: The work folder.
          take_over: Also from a process on another machine, for who knows that it is dead: it cannot be asked. A process that is
            seen to be alive keeps its lock.

        Raises:
          OutputError: If another process holds it, or one on another machine may.
        """
        self._path = folder / LOCK
        if take_over and not fcntl:
            # Without locks of the system, the file is the lock.
            self._path.unlink(missing_ok=True)
        self._file = self._take()
        held = _read(self._file)
        # A network folder may not pass locks on, so another machine's word is taken.
        if held and held["host"] != socket.gethostname() and not take_over:
            self._file.close()
            raise _refusal(self._path, held)
        self._mine = {"pid": os.getpid(), "host": socket.gethostname()}
        self._file.seek(0)
        self._file.truncate()
        json.dump(self._mine, self._file)
        self._file.flush()

    def check(self) -> None:
        """Makes sure that nobody took over what this process writes, taking it for dead.

        Raises:
          OutputError: If somebody did.
        """
        other = self.taken_by()
        if other:
            raise OutputError(f"{self._path.parent} was taken over by {_who(other)}: this process stops writing it.")

    def taken_by(self) -> dict[str, str | int]:
        """Returns who took the lock over; {} when nobody did. A lock that somebody emptied or removed was not taken over."""
        try:
            with self._path.open(encoding="utf-8") as file:
                held = _read(file)
        except OSError:
            return {}
        return {} if held == self._mine else held

    def release(self) -> None:
        """Lets go of the lock and removes its file."""
        if not self.taken_by():
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
    """Returns who writes in a work folder, `{"pid": ..., "host": ...}`; None when nobody does, {} when the lock does not say."""
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            held = _read(file)
            if fcntl and held.get("host") == socket.gethostname():
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return held
                return None
            return held
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return {}


def _read(file: IO[str]) -> dict[str, str | int]:
    """Returns what a lock says, or nothing where it says it in no way that we write."""
    file.seek(0)
    try:
        held = json.loads(file.read())
    except (ValueError, RecursionError):
        return {}
    known = isinstance(held, dict) and isinstance(held.get("host"), str) and type(held.get("pid")) is int
    return {"pid": held["pid"], "host": held["host"]} if known else {}


def _who(held: dict[str, str | int]) -> str:
    return f"process {held['pid']} on {held['host']}" if held else "another process"


def _refusal(path: Path, held: dict[str, str | int]) -> OutputError:
    way = "Wait for it, or give another folder"
    if not fcntl or (held and held["host"] != socket.gethostname()):
        # Where the system tells, a lock that is held is that of a living process.
        way += f"; if that process is gone for certain, take the run over with --take-over, or remove {path}"
    return OutputError(f"{path.parent} is being written by {_who(held)}. {way}.")
