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
class CheckReceiptOptions:
    """Confirm a number that was copied from the page: that the run it names holds it, in that array at that place.

    Example:

    octoscope runs check octoscope:0123456789abcdef:attention/transformer/readout_action:5,3,2,0,117:0.03125 output/run.zarr
    """

    # As the page copied it.
    receipt: Positional[str]
    # One of them is the run that the receipt names.
    runs: RunPaths


@dataclass(frozen=True)
class RunsOptions:
    """List, verify or compact runs, or check a receipt."""

    command: (
        Annotated[ListRunsOptions, tyro.conf.subcommand("list")]
        | Annotated[VerifyRunsOptions, tyro.conf.subcommand("verify")]
        | Annotated[CompactRunOptions, tyro.conf.subcommand("compact")]
        | Annotated[CheckReceiptOptions, tyro.conf.subcommand("check")]
    )
