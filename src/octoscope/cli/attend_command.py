"""`octoscope attend`: an episode through a policy, into pictures, a film and a run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageOps
from tyro.conf import Positional, arg

from octoscope.attention.maps import placed_spans, require_sight
from octoscope.attention.query import find_query
from octoscope.capture.attend import attend, default_query_groups, episode_layout
from octoscope.capture.observations import EpisodeObservations, episode_task
from octoscope.cli.selection import parse_pairs, parse_selection
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError, SelectionError, nearest
from octoscope.octo.model import OctoModel
from octoscope.pictures.attention_results import FILM, SHEETS, write_attention_results
from octoscope.render.film import CODECS
from octoscope.runs.staged_output import staged_output

RUN = "run.zarr"
_RESULTS = (SHEETS, f"{FILM}*.mp4", f"{FILM}*.gif", RUN)


@dataclass(frozen=True)
class Attend:
    """Show where every layer and head of a policy looks, at every step of an episode.

    Writes attention_results/step_S_layer_L.png, attention_video.mp4 and run.zarr. Example:

    octoscope attend hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --episode 3 --layers 0,6,11 -o output
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episode, from 0.
    episode: int = 0
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Steps: 'all', '4', '0,2,5', '0:10'.
    steps: str = "all"
    # Layers, like steps.
    layers: str = "all"
    # Heads, like steps; mean and max are always over all heads.
    heads: str = "all"
    # Draw only this camera ('primary').
    camera: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: tuple[str, ...] = ()
    # Whose attention: a token group, 'GROUP:TOKEN', or 'word:WORD'; the first readout by default.
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
    # How weights are stored: float16 or float32.
    precision: Literal["float16", "float32"] = "float16"
    # Replace the results that an earlier run left in the output folder.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Checks all that was asked for, then runs, draws, and says where everything is."""
        check_film(fps=self.fps, codec=self.codec)
        model = OctoModel.load_pretrained(self.checkpoint, step=self.checkpoint_step)
        source = open_episodes(self.episodes, split=self.split, cameras=parse_pairs(self.cameras, what="--cameras"))
        episode = source[self.episode]
        steps = parse_selection(self.steps, count=len(episode), what="step")
        goals = read_goal_images(self.goal_image)
        observations = EpisodeObservations(model, episode)
        words, tasks = episode_task(model, episode, instruction=self.task, goal_images=goals)
        layout = episode_layout(model, observations, tasks, instruction=words)
        groups = default_query_groups(layout)
        query = find_query(layout, self.query)
        layers = parse_selection(self.layers, count=model.num_layers, what="layer")
        heads = parse_selection(self.heads, count=model.num_heads, what="head")
        placed_spans(layout, self.camera)
        require_sight(layout, query)
        with staged_output(self.output, _RESULTS, overwrite=self.overwrite) as folder:
            run = attend(
                model,
                episode,
                folder / RUN,
                steps=sorted(steps),
                query_groups=tuple(dict.fromkeys((*groups, query.group))),
                instruction=self.task,
                goal_images=goals,
                seed=self.seed,
                dtype=self.precision,
                progress=True,
            )
            write_attention_results(
                run,
                folder,
                query=query,
                layers=sorted(layers),
                camera=self.camera,
                heads=heads,
                fps=self.fps,
                codec=self.codec,
                gif=self.gif,
                progress=True,
            )
        task = f'"{words}"' if words else f"goal image {', '.join(goals or ())}"
        print(f"{query.label} of {model.name} over {episode.name}, {task}, {len(steps)} steps:")
        print(f"  {self.output / SHEETS}: one sheet per step and layer ({len(steps) * len(layers)})")
        for film in sorted(self.output.glob(f"{FILM}*")):
            print(f"  {film}: one frame per step")
        print(f"  {self.output / RUN}: the weights behind them")
        if model.note:
            print(model.note)


def check_film(*, fps: float, codec: str) -> None:
    """Refuses film settings before any work is done.

    Raises:
      SelectionError: If the codec is not known, or `fps` is out of range.
    """
    if codec not in CODECS:
        raise SelectionError(f"--codec must be one of {', '.join(CODECS)}, got '{codec}'." + nearest(codec, CODECS))
    if not 0.01 <= fps <= 240:
        raise SelectionError(f"--fps must be in 0.01..240, got {fps}.")


def read_goal_images(goal_images: tuple[str, ...]) -> Mapping[str, np.ndarray] | None:
    """Returns the goal images by camera; a file without a name is the primary camera's.

    Raises:
      EpisodeError: If a file is missing or is no picture.
    """
    goals: dict[str, np.ndarray] = {}
    for entry in goal_images:
        named = re.fullmatch(r"(\w+)=(.+)", entry)
        camera, file = (named[1], named[2]) if named and not Path(entry).exists() else ("primary", entry)
        try:
            with Image.open(file) as image:
                goals[camera] = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        # Pillow raises SyntaxError and ValueError for some broken files.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise EpisodeError(f"The goal image {file} cannot be read ({error}). Give a PNG or JPEG file.") from None
    return goals or None
