"""Makes a finding and kills itself with SIGKILL before every single file operation in turn; no jax, so that many kills take seconds.

python killed_finding.py FOLDER: prints for each way of making one how many kills there were, and how many ended as they must.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from killed_writer import digest, in_child

from octoscope.array_typing import Float
from octoscope.errors import FindingError
from octoscope.runs.findings.finding_folder import FindingKind, read_finding
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.runs.findings.kept_steps import Steps

STEPS = 3


@dataclass(frozen=True, eq=False)
class Part:
    step: int
    change: Float[np.ndarray, "horizon dim"]


@dataclass(frozen=True, eq=False)
class Whole:
    version: int
    parts: tuple[Part, ...]


KIND = FindingKind("kind", Whole)


def nothing(_: Steps) -> Whole:
    raise AssertionError("is made although it must not be")


def request(folder: Path, make: Callable[[Steps], Whole] = nothing) -> FindingRequest:
    return FindingRequest(folder, KIND, {"seed": 0}, {"device": "cpu"}, make)


def make(path: Path, *, version: int = 0, resume: bool = False, overwrite: bool = False) -> list[int]:
    """Makes the finding whose folder is `path`'s parent; returns the steps that were computed for it."""
    computed: list[int] = []

    def compute(step: int) -> Part:
        computed.append(step)
        return Part(step, np.full((2, 3), step + version, np.float64))

    def whole(steps: Steps) -> Whole:
        return Whole(version, tuple(steps.get_or_make(f"step_{i}", Part, lambda i=i: compute(i)) for i in range(STEPS)))

    request(path.parent, whole).get_or_make(resume=resume, overwrite=overwrite)
    return computed


def resumed(path: Path) -> None:
    make(path, resume=True)


def replaced(path: Path) -> None:
    make(path, version=1, overwrite=True)


def state(folder: Path) -> str:
    """Returns "whole", with the version, or "absent"; anything else that a reader meets is raised."""
    try:
        value = read_finding(request(folder).path, KIND)
    except FindingError as error:
        if "There is no finding" not in str(error):
            raise
        return "absent"
    assert [part.step for part in value.parts] == list(range(STEPS))
    assert all((part.change == part.step + value.version).all() for part in value.parts)
    return f"whole {value.version}"


def main(folder: Path) -> None:
    make(folder / "whole" / "x")
    make(folder / "new" / "x", version=1)
    whole, new = digest(folder / "whole"), digest(folder / "new")
    for name, work, after, wanted in (("resumed", resumed, whole, "whole 0"), ("replaced", replaced, new, "whole 1")):
        kills = good = kill_at = 0
        killed = True
        while killed:
            place = folder / f"{name}_{kill_at}" / "x"
            place.parent.mkdir()
            if work is replaced:
                make(place)
            killed, _ = in_child(place, kill_at=kill_at, work=work)
            kill_at += 1
            kills += killed
            left = state(place.parent)
            assert left in ("absent", "whole 0", "whole 1"), left
            work(place)
            good += state(place.parent) == wanted and digest(place.parent) == after
        sys.stdout.write(f"{name} kills {kills} good {good}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
