"""`octoscope convert`: a checkpoint with its parameters in one safetensors file."""

from octoscope.cli.options.convert import ConvertOptions
from octoscope.escaping.terminal import say
from octoscope.policies.octo.checkpoint.convert import convert_checkpoint


class Convert(ConvertOptions):
    """`octoscope convert` at work."""

    def __call__(self) -> None:
        """Converts, and says what was written."""
        done = convert_checkpoint(self.checkpoint, self.output, step=self.checkpoint_step)
        say(
            f"{done.file}: {done.parameters:,} parameters of step {done.step}, {', '.join(done.dtypes)}, {done.nbytes:,} bytes"
        )
        say(f"Give {self.output} wherever a CHECKPOINT is asked for.")
