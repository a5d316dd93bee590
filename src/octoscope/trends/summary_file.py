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
    file, manifest = summary_path(path), _manifest_digest(path)
    if file.exists():
        try:
            summary = _read(file, path, manifest)
        except _UnreadableError as problem:
            tell(f"{file}: {problem}. Made anew.")
        else:
            if summary is not None:
                return summary
    summary = summarize(Run.open(path))
    try:
        _write(file, summary, {"manifest_sha256": manifest, "files": _attention_files(path)})
    except OutputError as error:
        tell(f"{error} Until then the summary of {path} is made anew each time.")
    return summary


class _UnreadableError(Exception):
    """A summary's file is not what was written; says how."""


def _manifest_digest(path: Path) -> str:
    """Returns a digest of a run's manifest, which names the policy, the episode and all arguments.

    Raises:
      RunError: If there is no run.
    """
    try:
        return hashlib.sha256((path / METADATA).read_bytes()).hexdigest()
    except OSError:
        # Tells what is there instead.
        Run.open(path)
        raise RunError(f"There is no run at {path} (its {METADATA} cannot be read).") from None


def _attention_files(path: Path) -> list[list[Any]]:
    """Returns path, bytes and time of each file of a run's attention: a run may be made anew with other weights and the same manifest."""
    files = sorted(file.relative_to(path).as_posix() for file in (path / "attention").rglob("*") if file.is_file())
    return [[name, *_state(path, name)] for name in files]


def _state(path: Path, name: str) -> tuple[int, int]:
    state = os.stat(f"{path}/{name}")  # noqa: PTH116  # a Path costs more than the look itself
    return state.st_size, state.st_mtime_ns


def _read(file: Path, path: Path, manifest: str) -> RunSummary | None:
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
        if head["format"] != FORMAT or not _is_of(head["made_from"], path, manifest):
            return None
        names = [*head["summary"]["measures"], *(_TEMPLATE + name for name in head["templates"])]
        table = parquet.read(columns=names, use_threads=False)
        columns = np.stack([column.to_numpy() for column in table.itercolumns()])
        return _together(head, columns)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pyarrow.ArrowException) as error:
        raise _UnreadableError(f"it cannot be read ({type(error).__name__})") from None


def _is_of(made_from: dict[str, Any], path: Path, manifest: str) -> bool:
    try:
        same_files = all([*_state(path, name)] == state for name, *state in made_from["files"])
    except FileNotFoundError:
        return False
    return made_from["manifest_sha256"] == manifest and same_files


def _together(head: dict[str, Any], columns: np.ndarray) -> RunSummary:
    plain = dict(head["summary"])
    steps, measures = len(plain["steps"]), len(plain["measures"])
    # Measure by measure, as they lie in the file.
    columns = columns.reshape(len(columns), steps, -1).transpose(1, 2, 0)
    template = np.full((*columns.shape[:2], measures), np.nan, np.float32)
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
    known = np.asarray(~np.isnan(summary.template).all(axis=(0, 1)))
    templates = [name for name, told in zip(summary.measures, known.tolist(), strict=True) if told]
    head = {
        "format": FORMAT,
        "made_from": made_from,
        "summary": plain,
        "templates": templates,
        "even": base64.b64encode(summary.even.astype("<f4").tobytes()).decode(),
    }
    columns = np.concatenate([summary.values, summary.template[..., known]], axis=-1)
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
        # Numbers of attention hardly compress, and would take as long to unpack as all else.
        packed: Any = dict.fromkeys(names, "none") | dict.fromkeys(places, "zstd")
        numbered: Any = [*places]
        pyarrow.parquet.write_table(
            table,
            part,
            compression=packed,
            use_dictionary=numbered,
            write_statistics=False,
            write_page_checksum=True,
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
