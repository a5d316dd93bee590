"""A run rewritten into few, smaller files with the same values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.runs.contents import folder_bytes
from octoscope.runs.run import FORMAT, Run
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.stored_arrays import axis_names, stored_arrays

# Of the zstd compression; runs are written with 1.
_LEVEL = 9
# The first axis of everything that comes step by step.
_STEP = "step"


def compact_run(path: str | Path) -> tuple[int, int]:
    """Rewrites a run, also one of an older format, into shards with stronger compression; returns its bytes before and after.

    The old run lies at its place until the new one is whole; after a kill the same call goes on.

    Raises:
      RunError: If there is no finished run, or an unfinished one of something else lies beside it.
      OutputError: If it cannot be written; the old run is then as it was.
    """
    path = Path(path)
    run = Run.open(path)
    before = folder_bytes(path)
    arrays = {_name_today(run, name): array for name, array in stored_arrays(run.group)}
    by_step = {name: array for name, array in arrays.items() if axis_names(array)[0] == _STEP and array.ndim > 1}
    whole = {name: (array, axis_names(array)) for name, array in arrays.items() if name not in by_step}
    with RunWriter(path, manifest=_manifest(run), whole=whole, resume=True, level=_LEVEL) as writer:
        for index in range(writer.written, len(run.steps)):
            writer.append_step(
                {name: (np.asarray(array[index]), axis_names(array)[1:]) for name, array in by_step.items()}
            )
    return before, folder_bytes(path)


def _manifest(run: Run) -> Mapping[str, Any]:
    """Returns the manifest as one of today says it."""
    return {name: value for name, value in run.manifest.items() if name not in ("format", "complete")}


def _name_today(run: Run, name: str) -> str:
    """Returns the name of an array as today's format has it: those of a stack's attention lie under the stack's name."""
    kind, _, rest = name.partition("/")
    if kind != "attention" or run.manifest["format"] == FORMAT:
        return name
    return f"attention/{run.stack.name}/{rest}"
