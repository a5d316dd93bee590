"""A run rewritten into few, smaller files with the same values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.runs.contents import axis_names, folder_bytes, stored_arrays
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter

# Of the zstd compression; runs are written with 1.
_LEVEL = 9
# The first axis of everything that comes step by step.
_STEP = "step"


def compact_run(path: str | Path) -> tuple[int, int]:
    """Rewrites a run, also one of format 1, into shards with stronger compression; returns its bytes before and after.

    The old run lies at its place until the new one is whole; after a kill the same call goes on.

    Raises:
      RunError: If there is no finished run, or an unfinished one of something else lies beside it.
      OutputError: If it cannot be written; the old run is then as it was.
    """
    path = Path(path)
    run = Run.open(path)
    before = folder_bytes(path)
    arrays = dict(stored_arrays(run.group))
    by_step = {name: array for name, array in arrays.items() if axis_names(array)[0] == _STEP and array.ndim > 1}
    whole = {name: (array, axis_names(array)) for name, array in arrays.items() if name not in by_step}
    with RunWriter(path, manifest=_manifest(run), whole=whole, resume=True, level=_LEVEL) as writer:
        for index in range(writer.written, len(run.steps)):
            writer.append_step(
                {name: (np.asarray(array[index]), axis_names(array)[1:]) for name, array in by_step.items()}
            )
    return before, folder_bytes(path)


def _manifest(run: Run) -> Mapping[str, Any]:
    """Returns the manifest, with what format 1 left unsaid."""
    said = {name: value for name, value in run.manifest.items() if name not in ("format", "complete")}
    unsaid = {"num_layers": run.num_layers, "num_heads": run.num_heads, **run.selection.to_manifest()}
    return said | {name: value for name, value in unsaid.items() if name not in said}
