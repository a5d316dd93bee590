"""A checkpoint with its parameters in one safetensors file, which other programs can read."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from octoscope.checkpoints.checkpoint_folder import folder_name
from octoscope.checkpoints.safetensors_file import write_safetensors
from octoscope.errors import OutputError
from octoscope.policies.octo.checkpoint.checkpoint import CONFIG, EXAMPLE_BATCH, SAFETENSORS, open_checkpoint
from octoscope.policies.octo.checkpoint.checkpoint_writer import copy_files, staged_directory
from octoscope.policies.octo.checkpoint.sources import checkpoint_directory, text_files_beside
from octoscope.policies.octo.checkpoint.statistics import STATISTICS


@dataclass(frozen=True)
class Conversion:
    """What was written."""

    # DIR/STEP/params.safetensors
    file: Path
    step: int
    # Number of parameters, and their bytes.
    parameters: int
    nbytes: int
    # As they were and are stored: conversion changes no bit of them.
    dtypes: tuple[str, ...]


def convert_checkpoint(checkpoint: str | Path, directory: str | Path, *, step: int | None = None) -> Conversion:
    """Writes a checkpoint whose parameters lie in DIR/STEP/params.safetensors, bit by bit as they were.

    The other files are copied as they are, with tokenizer files that lie beside. `OctoModel.load_pretrained` reads the result; the
    official program does not. Memory holds one array at a time.

    Args:
      checkpoint: A folder, 'hf://owner/name', or 'demo'.
      directory: A new or empty folder.
      step: Which parameters, by training step; the latest by default.

    Raises:
      CheckpointError: If the checkpoint or a file of it is missing or broken.
      ConfigError: If its config is not that of an Octo policy.
      OutputError: If the folder holds something or cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     convert_checkpoint("demo", f"{folder}/fast").file.name
    'params.safetensors'
    """
    source, target = checkpoint_directory(checkpoint), Path(directory)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(f"{target} is there already, and not an empty folder. Give a new folder with -o.")
    opened = open_checkpoint(source, step=step)
    stored = opened.open_params()
    with staged_directory(target) as folder:
        for name in (CONFIG, EXAMPLE_BATCH, STATISTICS):
            shutil.copyfile(source / name, folder / name)
        copy_files(text_files_beside(opened.config, source), folder)
        (folder / str(opened.step)).mkdir()
        place = Path(str(opened.step)) / SAFETENSORS
        origin = {
            "format": "octo",
            "step": str(opened.step),
            "from": folder_name(checkpoint),
            "stored_as": stored.format,
        }
        write_safetensors(folder / place, stored, metadata=origin)
    return Conversion(target / place, opened.step, stored.size, stored.nbytes, stored.dtypes)
