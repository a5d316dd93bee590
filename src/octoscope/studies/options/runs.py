"""`octoscope runs`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from octoscope.studies.options.vocabulary import RunPaths


@dataclass(frozen=True)
class ListRunsOptions:
    """Say which runs and findings lie in a folder and below it, how far each has come, and what is wrong with it.

    Example:

    octoscope runs list output
    """

    # A folder with runs.
    folder: Positional[Path] = Path("output")


@dataclass(frozen=True)
class VerifyRunsOptions:
    """Read runs from end to end: complete, readable, rows that sum to 1, masked keys exactly 0.

    Example:

    octoscope runs verify output/run.zarr
    """

    runs: RunPaths


@dataclass(frozen=True)
class CompactRunOptions:
    """Rewrite runs, also those of older formats, into fewer and smaller files with the same values.

    Example:

    octoscope runs compact output/run.zarr
    """

    runs: RunPaths


@dataclass(frozen=True)
class RunsOptions:
    """List, verify or compact runs."""

    command: (
        Annotated[ListRunsOptions, tyro.conf.subcommand("list")]
        | Annotated[VerifyRunsOptions, tyro.conf.subcommand("verify")]
        | Annotated[CompactRunOptions, tyro.conf.subcommand("compact")]
    )
