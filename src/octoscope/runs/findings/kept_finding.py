"""What is asked for is read where it was found before, and made, laid down and read where it was not."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.run_lock import read_lock
from octoscope.runs.findings.finding_folder import (
    FindingKind,
    finding_key,
    finding_path,
    read_finding,
    write_finding,
)
from octoscope.runs.findings.finding_head import SUFFIX, read_head
from octoscope.runs.findings.kept_steps import KeptSteps, Steps, begun_from
from octoscope.staging import remove_abandoned


@dataclass(frozen=True, eq=False)
class FindingRequest:
    """A finding that is asked for."""

    # Of results: the finding lies in its `findings`.
    folder: Path
    kind: FindingKind
    # All that its value depends on; JSON.
    made_from: Mapping[str, Any]
    # The kind of device and all else that changes the last digits alone; JSON. It is told, and is no part of the key.
    computed_on: Mapping[str, Any]
    # Makes the value, part by part.
    make: Callable[[Steps], Any]
    # Its place among those of its kind, where it does not lie under a key: "000012" of an episode.
    place: str = ""

    @property
    def path(self) -> Path:
        """Where it lies, or will lie."""
        return finding_path(self.folder, self.kind, self.place or finding_key(self.kind, self.made_from))

    @property
    def name(self) -> str:
        """Kind and key: "ablation/1f0c..."."""
        return f"{self.kind.name}/{self.path.name}"

    def cost_of(self, making: int, *, overwrite: bool = False) -> int:
        """Returns what making it costs, in whatever unit: nothing where it lies on disk and is read."""
        return making if overwrite or not self.path.exists() else 0

    def get_or_make(self, *, resume: bool = False, overwrite: bool = False) -> "KeptFinding":
        """Returns the finding as it lies on disk, after making it where there is none.

        Args:
          resume: Go on with what an earlier call kept of it.
          overwrite: Make it anew.

        Raises:
          FindingError: If it is there and damaged.
          OutputError: If parts of it are kept and neither `resume` nor `overwrite` is given, or it cannot be written.
          Interrupted: After Ctrl-C, saying what was kept.
        """
        path = self.path
        if path.exists() and not overwrite:
            value = read_finding(path, self.kind)
            _remove_leavings(path)
            return KeptFinding(self, value, True)
        begun = self._begun
        with KeptSteps(path, begun, resume=resume, overwrite=overwrite) as steps:
            value = self.make(steps)
            write_finding(path, self.kind, value, begun, overwrite=overwrite)
        return KeptFinding(self, read_finding(path, self.kind), False)

    def get_or_renew(self) -> "KeptFinding":
        """Returns the finding at its place; one that was made from something else is replaced, and parts of this one gone on with.

        Raises:
          FindingError: If it is there and damaged.
          OutputError: If it cannot be written, or another process makes it.
          Interrupted: After Ctrl-C, saying what was kept.
        """
        if self.path.exists():
            before = read_head(self.path).provenance
            # A whole one stays what it is wherever it was computed.
            now = {**self.made_from, "computed_on": before.get("computed_on")}
        else:
            before, now = begun_from(self.path), self._begun
        renewed = bool(before) and before != json.loads(json.dumps(now))
        return self.get_or_make(resume=True, overwrite=renewed)

    @property
    def _begun(self) -> Mapping[str, Any]:
        return {**self.made_from, "computed_on": self.computed_on}


@dataclass(frozen=True, eq=False)
class KeptFinding:
    """A finding as it lies on disk."""

    request: FindingRequest
    value: Any
    # Whether it was there before.
    was_there: bool

    def sentences(self) -> list[str]:
        """Returns what must be said of where it comes from; nothing where it was made just now."""
        if not self.was_there:
            return []
        on = read_head(self.request.path).provenance["computed_on"]
        told = ", ".join(f"{name} {value}" for name, value in on.items())
        return [f"Read from {self.request.path}, nothing was computed ({told}); --overwrite computes anew."]


def _remove_leavings(path: Path) -> None:
    """Removes what a kill left of the making of a finding that is whole."""
    remove_abandoned(path.parent)
    unfinished = path.with_name(path.name + SUFFIX)
    if unfinished.exists() and read_lock(unfinished) is None:
        shutil.rmtree(unfinished, ignore_errors=True)
