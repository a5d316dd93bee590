"""What a long finding is made of, kept as soon as it is made, so that a killed command goes on where it was.

findings/KIND/KEY.unfinished/begun.json       what the finding is made from, and on which kind of device
findings/KIND/KEY.unfinished/steps/NAME.npz   one part each: its JSON and its arrays; there whole or not at all
findings/KIND/KEY.unfinished/lock             who makes it
"""

import contextlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from octoscope.errors import Interrupted, OutputError
from octoscope.run_lock import RunLock
from octoscope.runs.durable_file import write_durably
from octoscope.runs.findings.finding_folder import archived
from octoscope.runs.findings.finding_head import SUFFIX, kept_count
from octoscope.runs.findings.frozen_values import TakenApart, put_together, take_apart
from octoscope.runs.manifest import differences

_BEGUN = "begun.json"
_PLAIN, _ARRAY = "value", "array/"


@runtime_checkable
class Steps(Protocol):
    """Makes one part of a finding after another, or has it already."""

    def get_or_make(self, name: str, kind: Any, make: Callable[[], Any]) -> Any:
        """Returns a part: as it was kept, or made now.

        Args:
          name: Of the part, as a file's name; the same part has the same name in every call.
          kind: Type of the part, as `put_together` takes it.
          make: Makes it.
        """
        ...


class NoSteps:
    """Keeps nothing: every part is made."""

    def get_or_make(self, name: str, kind: Any, make: Callable[[], Any]) -> Any:
        """Returns the part, made now."""
        return make()


class KeptSteps:
    """The parts of an unfinished finding on disk, in the hands of one process."""

    def __init__(self, path: Path, begun: Mapping[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
        """Begins, or goes on with what an earlier command kept.

        Args:
          path: Where the finding will lie.
          begun: JSON: what it is made from, and on what. Parts of something else are not gone on with.
          resume: Go on with what is kept.
          overwrite: Begin anew.

        Raises:
          OutputError: If parts are kept and it was not said what to do with them, they were made from something else, another process
            makes the finding, or the folder cannot be written.
        """
        self._folder = path.with_name(path.name + SUFFIX)
        self._steps = self._folder / "steps"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(self._folder)
        except OSError as error:
            raise OutputError(
                f"The finding {path} cannot be written ({error.strerror or error}). Give another folder with -o."
            ) from error
        try:
            if overwrite:
                shutil.rmtree(self._steps, ignore_errors=True)
            self._check_begun(path, begun, resume=resume)
            self._steps.mkdir(exist_ok=True)
            write_durably(self._folder / _BEGUN, json.dumps(begun).encode())
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "KeptSteps":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go of the parts: they stay where something went wrong, and go when all went well.

        Raises:
          Interrupted: After Ctrl-C, saying what was kept.
        """
        count = self.count
        self._lock.release()
        if error is None or not count:
            shutil.rmtree(self._folder, ignore_errors=True)
            for folder in (self._folder.parent, self._folder.parent.parent):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        elif isinstance(error, KeyboardInterrupt) and not isinstance(error, Interrupted):
            raise Interrupted(f"interrupted; {_told(count)} kept in {self._folder}: go on with --resume.") from None

    @property
    def count(self) -> int:
        """How many parts are kept."""
        return kept_count(self._folder)

    def get_or_make(self, name: str, kind: Any, make: Callable[[], Any]) -> Any:
        """Returns a part: as it was kept, or made and kept now. One that is damaged is made again.

        Raises:
          OutputError: If it cannot be written, or another process took over.
        """
        file = self._steps / f"{name}.npz"
        with contextlib.suppress(FileNotFoundError, _Damaged):
            return _read(file, kind)
        value = make()
        parts = take_apart(value)
        assert not parts.runs, "a part holds no run"
        arrays = {_ARRAY + place: array for place, array in parts.arrays.items()}
        self._lock.check()
        try:
            write_durably(file, archived({_PLAIN: np.array(json.dumps(parts.plain)), **arrays}))
        except OSError as error:
            raise OutputError(
                f"{self._folder} cannot be written ({error.strerror or error}); {_told(self.count)} kept: make room, and go on "
                "with --resume."
            ) from error
        return value

    def _check_begun(self, path: Path, begun: Mapping[str, Any], *, resume: bool) -> None:
        count = self.count
        if not count:
            return
        if not resume:
            raise OutputError(
                f"{path} is begun and not finished: {_told(count)} kept. Go on with --resume, or begin anew with --overwrite."
            )
        try:
            before = json.loads((self._folder / _BEGUN).read_bytes())
            changed = differences(before, begun)
        except (OSError, ValueError, AttributeError, RecursionError):
            changed = ["what it was begun with cannot be read"]
        if changed:
            raise OutputError(
                f"{path} cannot be gone on with: {'; '.join(changed)}. Begin anew with --overwrite, or compute as before."
            )


def begun_from(path: Path) -> dict[str, Any]:
    """Returns what an unfinished finding is made from, and on what; nothing where there is none that can be gone on with."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        begun = json.loads((path.with_name(path.name + SUFFIX) / _BEGUN).read_bytes())
        return begun if isinstance(begun, dict) else {}
    return {}


class _Damaged(Exception):
    """A part that is not as it was written."""


def _read(file: Path, kind: Any) -> Any:
    content = file.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # NumPy stops reading before the checksum is compared where a header says that an array is shorter.
            if archive.testzip() is not None:
                raise _Damaged
        with np.load(io.BytesIO(content)) as stored:
            arrays = {name.removeprefix(_ARRAY): stored[name] for name in stored.files if name.startswith(_ARRAY)}
            return put_together(kind, TakenApart(json.loads(str(stored[_PLAIN])), arrays, ()))
    except Exception:  # whatever is wrong with it, the part is made again
        raise _Damaged from None


def _told(count: int) -> str:
    return f"{count} {'part is' if count == 1 else 'parts are'}"
