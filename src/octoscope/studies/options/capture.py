"""`octoscope capture`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.studies.options.given import Given
from octoscope.studies.options.spread import Spread
from octoscope.studies.options.values import Batch, Passes, Positive, Seed, Selected


@dataclass(frozen=True)
class CaptureOptions:
    """Make runs of a policy over many episodes: a collection, for `octoscope trends` and everything that reads runs.

    Each run is written once. Episodes that cannot be run are listed and skipped; the same command again makes what is missing, after
    Ctrl-C, a kill or a full disk too. Examples:

    octoscope capture hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 0:500 --workers 4 -o bridge

    octoscope capture demo demo --per-task 1 -o tabletop; octoscope trends tabletop --by verb
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # A dataset in any of the known formats, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '0:500', '0,3,5', 'all'.
    episode: Annotated[str, Selected("episode")] = "all"
    # Of these, only the first so many of each task (instructions alike but for case and blanks); this reads all their words first.
    per_task: Positive | None = None
    # Steps of each episode: 'all', '4', '0,2,5', '0:10'.
    steps: Annotated[str, Selected("step")] = "all"
    # Layers that are kept, like steps.
    layers: Annotated[str, Selected("layer")] = "all"
    # Token groups whose attention is kept: 'readout', 'all' for every row of every timestep, or names; by default the readouts and
    # the words that can see images.
    queries: tuple[str, ...] = ()
    # Token groups that attention to is kept; all by default.
    keys: tuple[str, ...] = ()
    # Passes of a policy that acts in several that are kept: 'last', 'all', or numbers, like steps.
    passes: Annotated[str, Passes()] = "last"
    # Of the action head's noise.
    seed: Seed = 0
    # How weights are stored: float16 or float32.
    precision: Literal["float16", "float32"] = "float16"
    # How: 'exact' is bit for bit the forward that acts; 'fast' does only what is read, equal to rounding; 'bf16' also rounds products.
    compute: Literal["exact", "fast", "bf16"] = "exact"
    # Steps in one forward: 1 on a CPU and 8 on a GPU, by default.
    batch: Batch | None = None
    # Who does the episodes.
    spread: Spread = field(default_factory=Spread)
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # Folder for the collection: a new one, or one that this command began.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("collection")
