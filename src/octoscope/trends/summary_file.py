"""A run's summary kept beside it, as NAME.summary.parquet: a line for each step, layer and head, ready for any other tool.

A summary is believed as long as the run's manifest, and size and time of the files of its attention, are those that it was made from; and
the file itself is the one that was written, by its checksums. Else it is made anew. `octoscope runs verify` looks at the run itself.
"""

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.errors import OutputError, RunError
from octoscope.render.atomic_path import atomic_path
from octoscope.runs.chunk_files import METADATA
from octoscope.runs.column_table import PARQUET_HOW
from octoscope.runs.run import Run
from octoscope.trends.motion import Motion
from octoscope.trends.run_summary import FORMAT, QueryGroup, RunSummary, summarize

try:
    import pyarrow
    import pyarrow.parquet
except ImportError:
    raise OutputError(f"Summaries of runs are kept as Parquet. {PARQUET_HOW}") from None

Tell = Callable[[str], object]
ENDING = ".summary.parquet"
_HEAD, _SEAL = b"octoscope", b"octoscope_sha256"
_TEMPLATE = "template: "
_ARRAYS = ("values", "even", "template")
# Bytes of a column from which on it is packed.
_LEAST_PACKED = 2**14


def summary_path(run: Path) -> Path:
    """Returns where the summary of a run lies.

    >>> summary_path(Path("output/run.zarr")).as_posix()
    'output/run.summary.parquet'
    """
    return run.with_name(run.name.removesuffix(".zarr") + ENDING)


def read_summary(path: Path, *, tell: Tell = lambda line: None) -> RunSummary:
    """Returns the summary of the run at a path: as it lies beside it, or made, and left there where that can be written.

    Args:
      path: Of the run.
      tell: Takes what is wrong with a summary that lies there, and why one cannot be kept.

    Raises:
      RunError: If there is no run, or it is damaged.
    """
    file, state = summary_path(path), run_state(path)
    if file.exists():
        try:
            summary = _read(file, state)
        except _UnreadableError as problem:
            tell(f"{file}: {problem}. Made anew.")
        else:
            if summary is not None:
                return summary
    summary = summarize(Run.open(path))
    try:
        _write(file, summary, state)
    except OutputError as error:
        tell(f"{error} Until then the summary of {path} is made anew each time.")
    return summary


class _UnreadableError(Exception):
    """A summary's file is not what was written; says how."""


def run_state(path: Path) -> dict[str, Any]:
    """Returns what tells whether a run is still the same; JSON.

    That is a digest of its manifest, which names the policy, the episode and all arguments, and path, bytes and time of each file of its
    attention: a run may be made anew with other weights and the same manifest.

    Raises:
      RunError: If there is no run.
    """
    try:
        manifest = hashlib.sha256((path / METADATA).read_bytes()).hexdigest()
    except OSError:
        # Tells what is there instead.
        Run.open(path)
        raise RunError(f"There is no run at {path} (its {METADATA} cannot be read).") from None
    files: list[list[Any]] = []
    # A Path for each file costs more than the look itself.
    for parent, _, names in os.walk(f"{path}/attention"):
        for name in names:
            state = os.stat(f"{parent}/{name}")  # noqa: PTH116
            files.append([os.path.relpath(f"{parent}/{name}", path), state.st_size, state.st_mtime_ns])
    return {"manifest_sha256": manifest, "files": sorted(files)}


def _read(file: Path, state: dict[str, Any]) -> RunSummary | None:
    """Returns what lies in a file; None where it was made from another run, or by another octoscope.

    Raises:
      _UnreadableError: If the file is damaged.
    """
    try:
        parquet = pyarrow.parquet.ParquetFile(pyarrow.memory_map(str(file)), page_checksum_verification=True)
        metadata = parquet.metadata.metadata or {}
        content = metadata[_HEAD]
        head = json.loads(content)
        if metadata[_SEAL].decode() != hashlib.sha256(content).hexdigest():
            raise _UnreadableError("it is not what was written")
        if head["format"] != FORMAT or head["made_from"] != state:
            return None
        names = [*head["summary"]["measures"], *(_TEMPLATE + name for name in head["templates"])]
        table = parquet.read(columns=names, use_threads=False)
        columns = np.stack([column.to_numpy() for column in table.itercolumns()])
        return _together(head, columns)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pyarrow.ArrowException) as error:
        raise _UnreadableError(f"it cannot be read ({type(error).__name__})") from None


def _together(head: dict[str, Any], columns: np.ndarray) -> RunSummary:
    plain = dict(head["summary"])
    steps, measures = len(plain["steps"]), len(plain["measures"])
    # Measure by measure, as they lie in the file.
    columns = columns.reshape(len(columns), steps, -1).transpose(1, 2, 0)
    template = np.full((*columns.shape[:2], measures), np.nan, np.float32)
    for name, value in head["constants"].items():
        template[..., plain["measures"].index(name)] = value
    template[..., [plain["measures"].index(name) for name in head["templates"]]] = columns[..., measures:]
    even = np.frombuffer(base64.b64decode(head["even"]), "<f4").reshape(steps, -1, measures)
    groups = (QueryGroup(**{**group, "layers": tuple(group["layers"])}) for group in plain.pop("groups"))
    motion = Motion(**{name: tuple(values) for name, values in plain.pop("motion").items()})
    parts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    return RunSummary(
        **parts, groups=tuple(groups), motion=motion, values=columns[..., :measures], even=even, template=template
    )


def _write(file: Path, summary: RunSummary, made_from: dict[str, Any]) -> None:
    plain = {
        field.name: _plain(getattr(summary, field.name))
        for field in dataclasses.fields(summary)
        if field.name not in _ARRAYS
    }
    # What is the same at every step of every head takes no column: a fixed map never deviates from itself.
    constants = {
        name: float(summary.template[0, 0, at])
        for at, name in enumerate(summary.measures)
        if summary.template[..., at].size and (summary.template[..., at] == summary.template[0, 0, at]).all()
    }
    known = np.asarray(~np.isnan(summary.template).all(axis=(0, 1))).tolist()
    varying = [at for at, name in enumerate(summary.measures) if known[at] and name not in constants]
    templates = [summary.measures[at] for at in varying]
    head = {
        "format": FORMAT,
        "made_from": made_from,
        "summary": plain,
        "templates": templates,
        "constants": constants,
        "even": base64.b64encode(summary.even.astype("<f4").tobytes()).decode(),
    }
    columns = np.concatenate([summary.values, summary.template[..., varying]], axis=-1)
    columns = columns.reshape(-1, columns.shape[-1]).T
    content = json.dumps(head).encode()
    heads, count = summary.heads, len(summary.steps)
    places = {
        "step": pyarrow.array(np.repeat(np.array(summary.steps, np.int32), len(heads))),
        "stack": pyarrow.array([stack for stack, _, _, _ in heads] * count).dictionary_encode(),
        "queries": pyarrow.array([group for _, group, _, _ in heads] * count).dictionary_encode(),
        "layer": pyarrow.array(np.tile(np.array([layer for _, _, layer, _ in heads], np.int16), count)),
        "head": pyarrow.array(np.tile(np.array([head for _, _, _, head in heads], np.int16), count)),
    }
    names = [*summary.measures, *(_TEMPLATE + name for name in templates)]
    arrays = {name: pyarrow.array(columns[at]) for at, name in enumerate(names)}
    table = pyarrow.table(places | arrays).replace_schema_metadata(
        {_HEAD: content, _SEAL: hashlib.sha256(content).hexdigest()}
    )
    with atomic_path(file) as part:
        # Signs, exponents and fractions each by themselves: a third smaller, where unpacking them does not take as long as all else.
        large = columns[:1].nbytes >= _LEAST_PACKED
        packed: Any = dict.fromkeys(names, "zstd" if large else "none") | dict.fromkeys(places, "zstd")
        split: Any = dict.fromkeys(names, "BYTE_STREAM_SPLIT") if large else None
        numbered: Any = [*places]
        pyarrow.parquet.write_table(
            table,
            part,
            compression=packed,
            use_dictionary=numbered,
            column_encoding=split,
            write_statistics=False,
            write_page_checksum=True,
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
