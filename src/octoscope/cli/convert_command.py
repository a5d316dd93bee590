"""`octoscope convert`: a checkpoint with its parameters in one safetensors file."""

from octoscope.escaping.terminal import say
from octoscope.policies.octo.checkpoint.convert import convert_checkpoint
from octoscope.studies.options.convert import ConvertOptions


class Convert(ConvertOptions):
    """`octoscope convert` at work."""

    def __call__(self) -> None:
        """Converts, and says what was written."""
        done = convert_checkpoint(self.checkpoint, self.output, step=self.checkpoint_step)
        say(
            f"{done.file}: {done.parameters:,} parameters of step {done.step}, {', '.join(done.dtypes)}, {done.nbytes:,} bytes"
        )
        say(f"Give {self.output} wherever a CHECKPOINT is asked for.")
