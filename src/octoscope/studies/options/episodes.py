"""`octoscope episodes`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.studies.options.values import Cameras, FigureFormat, Positive, Turn


@dataclass(frozen=True)
class EpisodesOptions:
    """List the episodes of a dataset: steps, cameras, sizes, words, and whether a policy can run on them.

    Writes episodes.png, a sheet of first frames. Only the index and the page's episodes are read. Example:

    octoscope episodes data/bridge_dataset --page 2 --policy hf://rail-berkeley/octo-small-1.5
    """

    # RLDS, LeRobot, HDF5, a replay buffer, CALVIN, DROID, a video, a folder of pictures, or 'demo'.
    episodes: Positional[str]
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
    # Words of the task, where the recording has none.
    task: str | None = None
    # For frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For frames stored with red and blue exchanged.
    swap_red_blue: bool = False
    # Say of each episode whether this policy can run on it: a folder, 'hf://owner/name', or 'demo'.
    policy: str | None = None
    # Which page, from 1.
    page: Positive = 1
    # Episodes on a page.
    per_page: Positive = 20
    # Print the list alone.
    no_pictures: bool = False
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the picture of an earlier call.
    overwrite: bool = False
    # Folder for the picture.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        return {"overwrite": "--no-pictures writes nothing."} if self.no_pictures else {}
