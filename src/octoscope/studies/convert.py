"""A checkpoint with its parameters in one safetensors file."""

from octoscope.policies.octo.checkpoint.convert import Conversion, convert_checkpoint
from octoscope.studies.options.convert import ConvertOptions
from octoscope.studies.telling import Tell, silent


def convert(options: ConvertOptions, *, tell: Tell = silent, progress: bool = False) -> Conversion:
    """Returns what was written.

    Raises:
      OctoscopeError: If the checkpoint cannot be read, or something lies at the output.
    """
    done = convert_checkpoint(options.checkpoint, options.output, step=options.checkpoint_step)
    tell(
        f"{done.file}: {done.parameters:,} parameters of step {done.step}, {', '.join(done.dtypes)}, {done.nbytes:,} bytes"
    )
    tell(f"Give {options.output} wherever a CHECKPOINT is asked for.")
    return done
