"""`octoscope attend`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.policies.device_names import Device
from octoscope.studies.options.names import CODECS, FIGURE_FORMATS
from octoscope.studies.options.values import (
    Batch,
    Cameras,
    Fields,
    FramesPerSecond,
    NotNegative,
    OneOf,
    Passes,
    Positive,
    Scale,
    Seed,
    Selected,
    Turn,
)


@dataclass(frozen=True)
class AttendOptions:
    """Show where every layer and head of a policy looks, at every step of an episode.

    Writes attention_results/step_S_layer_L.png, attention_video.mp4 and run.zarr; for several episodes each into a folder of its own.
    Every step is kept as soon as it is made: after Ctrl-C or a crash, the same command with --resume goes on. Example:

    octoscope attend hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 3 --layers 0,6,11 -o output
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episodes, from 0: '3', '0,3,5', '0:10', 'all'.
    episode: Annotated[tuple[str, ...], Selected("episode")] = ("0",)
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Steps: 'all', '4', '0,2,5', '0:10'.
    steps: Annotated[str, Selected("step")] = "all"
    # Layers that are kept and drawn, like steps.
    layers: Annotated[tuple[str, ...], Selected("layer")] = ("all",)
    # Heads that are drawn, like steps; mean and max are always over all heads, and the run keeps all.
    heads: Annotated[str, Selected("head")] = "all"
    # Token groups whose attention is kept: 'readout', 'all' for every row of every timestep, or names; by default the readouts and
    # the words that can see images.
    queries: tuple[str, ...] = ()
    # Token groups that attention to is kept; all by default.
    keys: tuple[str, ...] = ()
    # Passes of a policy that acts in several, such as denoising, that are kept: 'last', 'all', 'mean' (all, and their mean is drawn), or
    # numbers, like steps, of which the last is drawn.
    passes: Annotated[str, Passes()] = "last"
    # Encodings that are kept as well, by name or pattern: 'blocks.*.residual'; see docs/encodings.md. None by default.
    encodings: tuple[str, ...] = ()
    # Draw only this camera ('primary').
    camera: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
    # For frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For frames stored with red and blue exchanged.
    swap_red_blue: bool = False
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: Fields = ()
    # Timesteps of history; as many as in training by default.
    window: Positive | None = None
    # Whose attention is drawn: a token group, 'GROUP:TOKEN', 'GROUP:mean', or 'word:WORD'; the first readout by default.
    query: str | None = None
    # Words to use instead of the episode's instruction.
    task: str | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Training step of the parameters; the latest by default.
    checkpoint_step: NotNegative | None = None
    # Draw all weights anew from this seed, as if nothing had been learnt: a control.
    random_weights: Seed | None = None
    # Of the action head's noise.
    seed: Seed = 0
    # How weights become colours: 'even', multiples of even attention on a log scale, the frame in colour where there is less; 'linear';
    # 'log'; or 'tile', each tile stretched to its own largest weight.
    scale: Scale = "even"
    # Steps of the film shown per second.
    fps: FramesPerSecond = 3.0
    # Of the film: h264, vp9 or av1.
    codec: Annotated[str, OneOf(CODECS)] = "h264"
    # Also write attention_video.gif.
    gif: bool = False
    # Of the sheets: png, or svg or pdf with letters as letters; jpeg is written in a third of the time, with colours a few levels off.
    figure_format: Annotated[str, OneOf(("png", "jpeg", *FIGURE_FORMATS[1:])), arg(aliases=["--format"])] = "png"
    # Write the runs alone, and draw nothing.
    no_pictures: bool = False
    # How weights are stored: float16 or float32.
    precision: Literal["float16", "float32"] = "float16"
    # How: 'exact' is bit for bit the forward that acts; 'fast' does only what is read, equal to rounding; 'bf16' also rounds products.
    compute: Literal["exact", "fast", "bf16"] = "exact"
    # Steps in one forward: 1 on a CPU and 8 on a GPU, by default. Above 1 equal to rounding, and only with --compute exact.
    batch: Batch | None = None
    # What the policy runs on; a GPU where there is one, by default.
    device: Device = "auto"
    # Compile anew at every start, instead of keeping compiled programs in the user's cache folder.
    no_compilation_cache: bool = False
    # Go on with what an earlier call began, and leave finished episodes as they are.
    resume: bool = False
    # Replace the results that an earlier call left in the output folder.
    overwrite: bool = False
    # With --resume or --overwrite: take runs from a writer on another machine, whose lock is there but which is known to be dead.
    take_over: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        if not self.no_pictures:
            return {}
        return dict.fromkeys(
            ("heads", "camera", "scale", "fps", "codec", "gif", "figure_format"), "--no-pictures draws nothing."
        )
