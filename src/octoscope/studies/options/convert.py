"""`octoscope convert`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.values import NotNegative


@dataclass(frozen=True)
class ConvertOptions:
    """Write a checkpoint anew with its parameters in one safetensors file, which other programs can read. No bit of them changes.

    Example:

    octoscope convert hf://rail-berkeley/octo-base-1.5 -o octo-base-safetensors
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # A new or empty folder for the result.
    output: Annotated[Path, arg(aliases=["-o"])]
    # Training step of the parameters; the latest by default.
    checkpoint_step: NotNegative | None = None
