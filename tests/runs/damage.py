"""Damages runs in every way and counts what comes of it: an error that people can read, the right values, or a failure.

python tests/runs/damage.py [COUNT] [SEED]: every file of a whole and of an unfinished run removed, emptied, cut, and with COUNT
bits changed, and 40 COUNT mutated manifests, sealed and not; prints inputs and failures of each kind, and what failed.
"""

import collections
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from killed_writer import STEPS, digest, write

from octoscope.attention.shares import attention_shares
from octoscope.errors import OctoscopeError
from octoscope.escaping.terminal import say
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.studies.options.runs import ListRunsOptions, VerifyRunsOptions
from octoscope.studies.run_list import list_runs
from octoscope.studies.runs import verify_runs
from octoscope.views.attention_sheet import attention_sheet

KEPT = 5
SEALS = ("metadata_sha256", "manifest_sha256")
_DEEP: Any = 1
for _ in range(900):
    _DEEP = [_DEEP]
_VALUES = [None, True, -1, 0, 1, 7, 10**30, 1.5, float("nan"), "", "x", "\ud800", [], {}, [[]], [None], {"a": 1}, _DEEP]
_VALUES += ["9" * 5000, 9**999, -0.0, "obs_primary", [0], [10**12], "primary\n"]


class Stop(Exception):
    """Ends a writer before its run is whole."""


def make_whole(folder: Path) -> Path:
    write(folder / "run.zarr")
    return folder / "run.zarr"


def make_unfinished(folder: Path) -> Path:
    """Leaves a run of `KEPT` steps, three of them in a shard, as a killed writer does: with its lock."""
    append = RunWriter.append_step

    def stop_after(self: RunWriter, arrays: Any) -> None:
        if self.written == KEPT:
            raise Stop
        append(self, arrays)

    RunWriter.append_step = stop_after  # type: ignore[method-assign]
    try:
        with contextlib.suppress(Stop):
            write(folder / "run.zarr")
    finally:
        RunWriter.append_step = append  # type: ignore[method-assign]
    (folder / "run.zarr.unfinished" / "lock").write_text('{"pid": 4194304, "host": "' + _host() + '"}')
    return folder / "run.zarr"


def read_all(path: Path, *, draw: bool = True) -> list[np.ndarray]:
    """Returns all that can be read of a run, and draws from it."""
    run = Run.open(path)
    arrays = [run.actions, np.zeros(0) if run.recorded_actions is None else run.recorded_actions]
    for step in run.steps:
        arrays += [run.attention(group, step=step) for group in run.query_groups]
        arrays += [run.token_pad(step=step), run.frame_index(step=step), run.timestep_pad_mask(step=step)]
    for camera in run.cameras:
        run.transform(camera)
        arrays += [run.frame(camera, time=time) for time in range(run.manifest["episode_length"])]
    arrays += [run.encoding(point.name) for point in run.encoding_points]
    if draw:
        attention_shares(run.layout, run.attention(run.query_groups[0], step=run.steps[0]).mean(axis=(0, 1, 2)))
        attention_sheet(run, step=run.steps[0], layer=run.selection.layers[0])
    return arrays


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True)
    )


def damages(content: bytes, flips: int, draw: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Yields what may become of a file; None for a file that is gone."""
    yield "removed", None
    if content:
        yield "emptied", b""
        yield "cut", content[: len(content) // 2]
        if flips > 1:
            yield "cut by one", content[:-1]
        for _ in range(flips):
            at = draw.randrange(8 * len(content))
            changed = bytearray(content)
            changed[at // 8] ^= 1 << at % 8
            yield "bit changed", bytes(changed)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def mutated(data: Any, draw: random.Random) -> Any:
    """Returns JSON of which one place is another value, gone, or there twice."""
    data = json.loads(json.dumps(data))
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                collect(node[key])

    collect(data)
    node, key = draw.choice(places)
    how = draw.randrange(8)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, list):
        node.append(node[key])
    elif how == 2 and isinstance(node, dict):
        node[f"{key}_"] = node.pop(key)
    else:
        node[key] = draw.choice(_VALUES)
    return data


class Tally:
    """Inputs and failures of each kind."""

    def __init__(self) -> None:
        self.inputs: collections.Counter[str] = collections.Counter()
        self.failures: collections.Counter[str] = collections.Counter()
        self.told: dict[str, str] = {}

    def trial(self, kind: str, told: str, act: Callable[[], str | None]) -> None:
        """Counts one input; `act` returns what is wrong, or raises: an `OctoscopeError` is as it should be."""
        self.inputs[kind] += 1
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                wrong = act()
        except OctoscopeError as error:
            wrong = None if str(error).strip() else "an error without words"
        except Exception as error:
            wrong = (
                f"{type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1].filename.rpartition('/')[2]}"
            )
        if wrong:
            self.failures[kind] += 1
            self.told.setdefault(f"{kind}: {wrong}", told)

    def __str__(self) -> str:
        lines = [f"{kind}: {count} inputs, {self.failures[kind]} failures" for kind, count in self.inputs.items()]
        return "\n".join([*lines, *(f"  {what}, such as {told}" for what, told in self.told.items())])


def damage_whole(tally: Tally, folder: Path, flips: int, draw: random.Random) -> None:
    """Every file of a whole run: refused, or the values that were written."""
    path = make_whole(folder)
    right = read_all(path)
    for file in files_of(path):
        content = file.read_bytes()
        for how, changed in damages(content, flips, draw):
            put(file, changed)
            told = f"{file.relative_to(path)} {how}"

            def read() -> str | None:
                return None if same(read_all(path, draw=False), right) else "other values without a word"

            tally.trial("whole, read", told, read)
            tally.trial("whole, verify", told, lambda: verify_runs(VerifyRunsOptions((path,)), tell=say))
            tally.trial("whole, list", told, lambda: list_runs(ListRunsOptions(folder), tell=say))
        put(file, content)


def damage_after_opening(tally: Tally, folder: Path, flips: int, draw: random.Random) -> None:
    """Every chunk of a run that is open: refused where it is read, or the values that were written."""
    path = make_whole(folder)
    right = read_all(path)
    for file in files_of(path):
        content = file.read_bytes()
        if file.name == "zarr.json":
            continue
        for how, changed in damages(content, flips, draw):
            run = Run.open(path)
            put(file, changed)

            def read(run: Run = run) -> str | None:
                arrays = [run.actions, run.recorded_actions]
                for step in run.steps:
                    arrays += [run.attention(group, step=step, layers=[1, 0])[::-1] for group in run.query_groups]
                    arrays += [run.token_pad(step=step), run.frame_index(step=step), run.timestep_pad_mask(step=step)]
                arrays += [run.frame("primary", time=time) for time in range(STEPS)]
                return None if same(arrays, right) else "other values without a word"

            tally.trial("whole, damaged while open", f"{file.relative_to(path)} {how}", read)
            put(file, content)


def damage_manifests(tally: Tally, folder: Path, count: int, draw: random.Random) -> None:
    """Mutated zarr.json of the run and its arrays: refused when sealed; never a traceback when made before there were seals."""
    path = make_whole(folder)
    right, files = read_all(path), [file for file in files_of(path) if file.name == "zarr.json"]
    root = path / "zarr.json"
    for sealed in (True, False):
        if not sealed:
            data = json.loads(root.read_text())
            data["attributes"] = {name: value for name, value in data["attributes"].items() if name not in SEALS}
            root.write_text(json.dumps(data))
        for number in range(count):
            # Most of what can be wrong is in the manifest.
            file = root if number % 3 else draw.choice(files)
            content = file.read_text()
            data = json.loads(content)
            changed = {**data, "attributes": mutated(data["attributes"], draw)} if number % 3 else mutated(data, draw)
            file.write_text(json.dumps(changed))

            def read(sealed: bool = sealed) -> str | None:
                arrays = read_all(path)
                return "other values without a word" if sealed and not same(arrays, right) else None

            told = f"{file.relative_to(path)}: {_difference(data, changed)}"
            kind = "manifests" if sealed else "manifests without seals"
            tally.trial(f"{kind}, read", told, read)
            tally.trial(f"{kind}, verify", told, lambda: verify_runs(VerifyRunsOptions((path,)), tell=say))
            tally.trial(f"{kind}, list", told, lambda: list_runs(ListRunsOptions(folder), tell=say))
            file.write_text(content)


def damage_unfinished(tally: Tally, folder: Path, flips: int, draw: random.Random) -> None:
    """Every file of an unfinished run: gone on with to the bytes of one made in one go, or, of the lock alone, refused."""
    whole = digest(make_whole(folder / "whole"))
    template = folder / "template"
    work = make_unfinished(template).with_name("run.zarr.unfinished")
    for file in files_of(work):
        content = file.read_bytes()
        for how, changed in damages(content, flips, draw):
            copied = folder / "copy"
            shutil.rmtree(copied, ignore_errors=True)
            shutil.copytree(template, copied)
            put(copied / work.name / file.relative_to(work), changed)
            told = f"{file.relative_to(work)} {how}"
            tally.trial("unfinished, list", told, lambda copied=copied: list_runs(ListRunsOptions(copied), tell=say))
            tally.trial(
                "unfinished, verify", told, lambda copied=copied: verify_runs(VerifyRunsOptions((copied,)), tell=say)
            )

            def resume(copied: Path = copied, lock: bool = file.name == "lock") -> str | None:
                try:
                    write(copied / "run.zarr")
                except OctoscopeError as error:
                    return None if lock and "--take-over" in str(error) else f"refused ({error})"
                return None if digest(copied / "run.zarr") == whole else "other bytes than in one go"

            tally.trial("unfinished, resume", told, resume)


def put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)


def _difference(before: Any, now: Any) -> str:
    first, second = json.dumps(before), json.dumps(now)
    at = next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
    return f"...{first[max(0, at - 30) : at + 20]}... became ...{second[max(0, at - 30) : at + 20]}..."


def _host() -> str:
    import socket

    return socket.gethostname()


PARTS = (damage_whole, damage_after_opening, damage_manifests, damage_unfinished)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            many = 40 * count if part is damage_manifests else count
            place = Path(folder) / part.__name__
            place.mkdir()
            part(tally, place, many, draw)
            sys.stderr.write(f"{part.__name__} done\n")
    sys.stdout.write(f"{tally}\n")


if __name__ == "__main__":
    main()
