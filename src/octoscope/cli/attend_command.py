"""`octoscope attend`: an episode through a policy, into pictures, a film and a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.cli.attend_episodes import AttendSettings, EpisodeJob, run_all
from octoscope.cli.opening import open_policy_and_episodes, read_goal_images
from octoscope.cli.selection import parse_pairs, parse_selection
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.octo.device import Device
from octoscope.octo.model import OctoModel
from octoscope.render.film import CODECS


@dataclass(frozen=True)
class Attend:
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
    episode: tuple[str, ...] = ("0",)
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Steps: 'all', '4', '0,2,5', '0:10'.
    steps: str = "all"
    # Layers that are kept and drawn, like steps.
    layers: tuple[str, ...] = ("all",)
    # Heads that are drawn, like steps; mean and max are always over all heads, and the run keeps all.
    heads: str = "all"
    # Token groups whose attention is kept: 'readout', 'all' for every row of every timestep, or names; by default the readouts and
    # the words that can see images.
    queries: tuple[str, ...] = ()
    # Token groups that attention to is kept; all by default.
    keys: tuple[str, ...] = ()
    # Encodings that are kept as well, by name or pattern: 'blocks.*.residual'; see docs/encodings.md. None by default.
    encodings: tuple[str, ...] = ()
    # Draw only this camera ('primary').
    camera: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: tuple[str, ...] = ()
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: tuple[str, ...] = ()
    # Timesteps of history; as many as in training by default.
    window: int | None = None
    # Whose attention is drawn: a token group, 'GROUP:TOKEN', or 'word:WORD'; the first readout by default.
    query: str | None = None
    # Words to use instead of the episode's instruction.
    task: str | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Training step of the parameters; the latest by default.
    checkpoint_step: int | None = None
    # Of the action head's noise.
    seed: int = 0
    # Steps of the film shown per second.
    fps: float = 3.0
    # Of the film: h264, vp9 or av1.
    codec: str = "h264"
    # Also write attention_video.gif.
    gif: bool = False
    # Of the sheets: 'jpeg' is written in a third of the time, with colours a few levels off.
    format: Literal["png", "jpeg"] = "png"
    # Write the runs alone, and draw nothing.
    no_pictures: bool = False
    # How weights are stored: float16 or float32.
    precision: Literal["float16", "float32"] = "float16"
    # How: 'exact' is bit for bit the forward that acts; 'fast' does only what is read, equal to rounding; 'bf16' also rounds products.
    compute: Literal["exact", "fast", "bf16"] = "exact"
    # Steps in one forward: 1 on a CPU and 8 on a GPU, by default. Above 1 equal to rounding, and only with --compute exact.
    batch: int | None = None
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

    def __call__(self) -> None:
        """Checks all that was asked for, then runs, draws, and says where everything is."""
        check_film(fps=self.fps, codec=self.codec)
        if self.resume and self.overwrite:
            raise SelectionError("--resume goes on with what is there, --overwrite begins anew: give one of them.")
        if self.take_over and not (self.resume or self.overwrite):
            raise SelectionError(
                "--take-over takes a run from a dead writer: give --resume to go on with it, or --overwrite."
            )
        model, source = open_policy_and_episodes(
            self.checkpoint,
            self.episodes,
            split=self.split,
            cameras=self.cameras,
            device=self.device,
            compilation_cache=not self.no_compilation_cache,
            checkpoint_step=self.checkpoint_step,
        )
        chosen = self.chosen(len(source))
        one = EpisodeJob(model, self.settings(model))
        if ",".join(self.episode).removeprefix("-").isdecimal():
            one.run(source[chosen[0]], self.output)
        else:
            run_all(one, source, chosen, self.output)
        if model.note:
            say(model.note)

    def chosen(self, count: int) -> list[int]:
        """Returns which of `count` episodes were asked for.

        Raises:
          SelectionError: If one does not exist.
        """
        return parse_selection(",".join(self.episode), count=count, what="episode")

    def settings(self, model: OctoModel) -> AttendSettings:
        """Returns what is asked of every episode alike.

        Raises:
          SelectionError: If a layer or head does not exist.
          EpisodeError: If a goal image cannot be read.
        """
        return AttendSettings(
            steps=self.steps,
            layers=sorted(parse_selection(",".join(self.layers), count=model.num_layers, what="layer")),
            heads=parse_selection(self.heads, count=model.num_heads, what="head"),
            queries=self.queries,
            keys=self.keys or None,
            encodings=self.encodings,
            camera=self.camera,
            observation_keys=parse_pairs(self.observation, what="--observation", example="proprio=state"),
            window=self.window,
            query=self.query,
            instruction=self.task,
            goal_images=read_goal_images(self.goal_image),
            seed=self.seed,
            fps=self.fps,
            codec=self.codec,
            gif=self.gif,
            picture_format=self.format,
            pictures=not self.no_pictures,
            dtype=self.precision,
            compute=self.compute,
            batch=self.batch,
            resume=self.resume,
            overwrite=self.overwrite,
            take_over=self.take_over,
        )


def check_film(*, fps: float, codec: str) -> None:
    """Refuses film settings before any work is done.

    Raises:
      SelectionError: If the codec is not known, or `fps` is out of range.
    """
    if codec not in CODECS:
        raise SelectionError(f"--codec must be one of {', '.join(CODECS)}, got '{codec}'." + nearest(codec, CODECS))
    if not 0.01 <= fps <= 240:
        raise SelectionError(f"--fps must be in 0.01..240, got {fps}.")
