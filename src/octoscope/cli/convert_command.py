"""`octoscope convert`: a checkpoint with its parameters in one safetensors file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.escaping.terminal import say
from octoscope.octo.convert import convert_checkpoint


@dataclass(frozen=True)
class Convert:
    """Write a checkpoint anew with its parameters in one safetensors file, which other programs can read. No bit of them changes.

    Example:

    octoscope convert hf://rail-berkeley/octo-base-1.5 -o octo-base-safetensors
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # A new or empty folder for the result.
    output: Annotated[Path, arg(aliases=["-o"])]
    # Training step of the parameters; the latest by default.
    checkpoint_step: int | None = None

    def __call__(self) -> None:
        """Converts, and says what was written."""
        done = convert_checkpoint(self.checkpoint, self.output, step=self.checkpoint_step)
        say(
            f"{done.file}: {done.parameters:,} parameters of step {done.step}, {', '.join(done.dtypes)}, {done.nbytes:,} bytes"
        )
        say(f"Give {self.output} wherever a CHECKPOINT is asked for.")
