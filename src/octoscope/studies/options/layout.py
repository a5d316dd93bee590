"""`octoscope layout`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.values import Cameras, Fields, FigureFormat, Index, NotNegative, Turn


@dataclass(frozen=True)
class LayoutOptions:
    """Show what every token of a policy's sequence is, and who may look at whom.

    Prints a table of all tokens and writes token_matrix.png. With EPISODES the cameras, words and padding are those of a step of an
    episode; without, those of the policy's example. Example:

    octoscope layout hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --step 0
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str | None] = None
    # Which episode, from 0.
    episode: Index = 0
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Step of the episode; at step 0 the history is padding.
    step: Index = 0
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
    # For frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For frames stored with red and blue exchanged.
    swap_red_blue: bool = False
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: Fields = ()
    # Words of the task, instead of the episode's.
    task: str | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Only one line per group and timestep, not one per token.
    brief: bool = False
    # Training step of the parameters; the latest by default.
    checkpoint_step: NotNegative | None = None
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the picture of an earlier call.
    overwrite: bool = False
    # Folder for the picture.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        if self.episodes is not None:
            return {}
        names = ("episode", "split", "step", "cameras", "turn", "swap_red_blue", "observation", "goal_image")
        return dict.fromkeys(names, "without EPISODES the policy's own example batch is shown.")
