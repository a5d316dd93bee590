"""`octoscope attend`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from octoscope.studies.options.names import CODECS
from octoscope.studies.options.values import OneOf
from octoscope.studies.options.vocabulary import (
    BatchOrUsual,
    Beside,
    Camera,
    Cameras,
    CheckpointStep,
    Compute,
    Device,
    Episode,
    Episodes,
    Fields,
    FramesPerSecond,
    Gif,
    GoalImage,
    Heads,
    KeptPasses,
    Keys,
    Layers,
    NoCompilationCache,
    NoPictures,
    Output,
    Overwrite,
    Policy,
    Precision,
    Queries,
    Query,
    RandomWeights,
    Resume,
    Scale,
    Seed,
    SheetFormat,
    Split,
    Steps,
    SwapRedBlue,
    Task,
    Turn,
    Window,
)


@dataclass(frozen=True)
class AttendOptions:
    """Show where every layer and head of a policy looks, at every step of an episode.

    Writes attention_results/step_S_layer_L.png, attention_video.mp4 and run.zarr; for several episodes each into a folder of its own.
    Every step is kept as soon as it is made: after Ctrl-C or a crash, the same command with --resume goes on. Example:

    octoscope attend hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 3 --layers 0,6,11 -o output
    """

    checkpoint: Policy
    episodes: Episodes
    episode: Episode = "0"
    split: Split = None
    steps: Steps = "all"
    # These are kept and drawn.
    layers: Layers = "all"
    # These are drawn; mean and max are always over all, and the run keeps all.
    heads: Heads = "all"
    # Also 'readout', and 'all' for every row of every timestep; by default the readouts and the words that can see images.
    queries: Queries = ()
    keys: Keys = ()
    # 'mean' keeps all and draws their mean; of several the last is drawn.
    passes: KeptPasses = "last"
    # Encodings that are kept as well, by name or pattern: 'blocks.*.residual'; see docs/encodings.md. None by default.
    encodings: tuple[str, ...] = ()
    # It alone is drawn; all by default.
    camera: Camera = None
    cameras: Cameras = ()
    turn: Turn = "none"
    swap_red_blue: SwapRedBlue = False
    observation: Fields = ()
    window: Window = None
    query: Query = None
    task: Task = None
    goal_image: GoalImage = ()
    checkpoint_step: CheckpointStep = None
    random_weights: RandomWeights = None
    # Both are run into folders of their own; comparison/ has both maps of each step and layer, and their signed difference.
    beside: Beside = None
    seed: Seed = 0
    scale: Scale = "even"
    fps: FramesPerSecond = 3.0
    # Of the film: h264, vp9 or av1.
    codec: Annotated[str, OneOf(CODECS)] = "h264"
    gif: Gif = False
    # Sheets also as jpeg, in a third of the time, with colours a few levels off.
    figure_format: SheetFormat = "png"
    # The runs alone are written.
    no_pictures: NoPictures = False
    precision: Precision = "float16"
    compute: Compute = "exact"
    # 1 on a CPU and 8 on a GPU, by default; above 1 equal to rounding, and only with --compute exact.
    batch: BatchOrUsual = None
    device: Device = "auto"
    no_compilation_cache: NoCompilationCache = False
    resume: Resume = False
    overwrite: Overwrite = False
    # With --resume or --overwrite: take runs from a writer on another machine, whose lock is there but which is known to be dead.
    take_over: bool = False
    # Several episodes each have one in it.
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        if not self.no_pictures:
            return {}
        return dict.fromkeys(
            ("beside", "heads", "camera", "scale", "fps", "codec", "gif", "figure_format"),
            "--no-pictures draws nothing.",
        )
