"""What of an episode's attention is kept, and how the policy is run for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.recording import RecordOptions


@dataclass(frozen=True, eq=False)
class WatchOptions(BindOptions):
    """What is kept and how it is computed, besides what the policy is given (instruction, goal images, observation keys, window)."""

    # Groups whose attention is kept, at the current timestep; "readout" for the readouts, "all" for every row of every timestep; by
    # default every readout and the words that can see images (the repeated instruction).
    query_groups: str | Sequence[str] | None = None
    # Groups whose keys are kept; all by default. Weights are never renormalised: the rest is missing, not zero.
    key_groups: Sequence[str] | None = None
    # Layers that are kept; all by default.
    layers: Sequence[int] | None = None
    # Of a stack that runs several times for one action, such as denoising: "last", "all", or the numbers of its passes.
    passes: str | Sequence[int] = "last"
    # Of the action head's noise. The noise of a step depends on the seed and the step alone.
    seed: int = 0
    # Of the stored weights: "float16" (each weight to 3 digits, rows sum to 1 within 1e-3) or "float32".
    dtype: str = "float16"
    # "exact": the very forward of `OctoModel.act`, with `batch` 1 bit for bit. "fast": only what is read, and once what steps share;
    # attention and the readout are equal within 1e-5. It falls back to "exact" where prefix rows ("all" among them) are kept, or the
    # policy's prefix looks beyond itself. "bf16": "fast" with the factors of the transformer's products rounded to bfloat16, which moves
    # up to 0.5 % of a row's weight in the embedded policy; for GPUs. What was done is in the manifest.
    compute: str = "exact"
    # Steps in one forward: by default 1 on a CPU, which hardly gains by more, and 8 on a GPU. Attention of several is equal within 1e-5
    # to that of one, not to the bit, and the manifest says how many there were. Only with `compute` "exact".
    batch: int | None = None
    # Points whose encodings are kept besides, by name or pattern ("blocks.*.residual"; see docs/encodings.md), as `dtype`. They are
    # computed by the exact forward, run a second time, so that they change no bit of an action. None by default.
    encodings: str | Sequence[str] = ()

    def record_options(self, steps: int) -> RecordOptions:
        """Returns how that many steps are recorded."""
        # A forward is filled up to its batch: one of thousands over ten steps would be made of copies.
        batch = self.batch if self.batch is None else min(self.batch, steps)
        points = self.encodings if isinstance(self.encodings, str) else tuple(self.encodings)
        return RecordOptions(self.seed, self.dtype, self.compute, batch, points)
