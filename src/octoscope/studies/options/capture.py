"""`octoscope capture`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path

from octoscope.studies.options.given import Given
from octoscope.studies.options.spread import Spread
from octoscope.studies.options.values import Positive
from octoscope.studies.options.vocabulary import (
    BatchOrUsual,
    Compute,
    Episode,
    Episodes,
    KeptPasses,
    Keys,
    Layers,
    Output,
    Policy,
    Precision,
    Queries,
    Seed,
    Steps,
)


@dataclass(frozen=True)
class CaptureOptions:
    """Make runs of a policy over many episodes: a collection, for `octoscope trends` and everything that reads runs.

    Each run is written once. Episodes that cannot be run are listed and skipped; the same command again makes what is missing, after
    Ctrl-C, a kill or a full disk too. Examples:

    octoscope capture hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:500 --workers 4 -o bridge

    octoscope capture demo demo --per-task 1 -o tabletop; octoscope trends tabletop --by verb
    """

    checkpoint: Policy
    episodes: Episodes
    episode: Episode = "all"
    # Of these, only the first so many of each task (instructions alike but for case and blanks); this reads all their words first.
    per_task: Positive | None = None
    steps: Steps = "all"
    layers: Layers = "all"
    # Also 'readout', and 'all' for every row of every timestep; by default the readouts and the words that can see images.
    queries: Queries = ()
    keys: Keys = ()
    passes: KeptPasses = "last"
    seed: Seed = 0
    precision: Precision = "float16"
    compute: Compute = "exact"
    # 1 on a CPU and 8 on a GPU, by default.
    batch: BatchOrUsual = None
    # Who does the episodes.
    spread: Spread = field(default_factory=Spread)
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # A new one, or one that this command began.
    output: Output = Path("collection")
