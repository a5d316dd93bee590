"""Results that appear whole or not at all, and never mix with those of an earlier run."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from octoscope.errors import OutputError


@contextlib.contextmanager
def staged_output(output: Path, patterns: Sequence[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Gives a folder to write into, and moves what was written there to `output` when all went well.

    Args:
      output: The folder that results go to; made when missing.
      patterns: All files and folders that a run of this kind may leave in `output`, as for `Path.glob`.
      overwrite: Replace what an earlier run left there; otherwise that is an error.

    Raises:
      OutputError: If `output` cannot be written, or holds results of an earlier run.
    """
    held = sorted(path.name for pattern in patterns for path in output.glob(pattern))
    if held and not overwrite:
        raise OutputError(
            f"{output} already holds results of an earlier run ({', '.join(held)}). Give another folder with -o, or --overwrite."
        )
    made = not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=output))
    except OSError as error:
        raise OutputError(
            f"The output folder {output} cannot be written ({error.strerror}). Give another with -o."
        ) from None
    try:
        yield staging
        for name in held:
            _remove(output / name)
        for entry in staging.iterdir():
            os.replace(entry, output / entry.name)  # noqa: PTH105
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if made and not any(output.iterdir()):
            output.rmdir()


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
