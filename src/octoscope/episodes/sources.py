"""Episodes from whatever lies at a path: the one way in, for the command line and for Python."""

import os
from collections.abc import Mapping
from pathlib import Path

from octoscope.embedded.files import EMBEDDED, episodes_directory
from octoscope.episodes.changed_episodes import changed_episodes
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.folders.calvin import open_calvin
from octoscope.episodes.folders.pictures import open_pictures
from octoscope.episodes.folders.replay_buffer import open_replay_buffer
from octoscope.episodes.folders.videos import open_videos
from octoscope.episodes.hdf5.droid import open_droid
from octoscope.episodes.hdf5.reader import open_hdf5_recordings
from octoscope.episodes.lerobot.reader import open_lerobot
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.rlds import open_rlds
from octoscope.episodes.unknown_format import expected_formats, explain_unknown
from octoscope.errors import EpisodeError
from octoscope.user_path import user_path


def open_episodes(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    cameras: Mapping[str, str] | None = None,
    task: str | None = None,
    turn: str = "none",
    swap_red_blue: bool = False,
) -> EpisodeSource:
    """Returns the episodes at `path`, whatever of the known formats lies there; nothing but its index is read yet.

    Args:
      path: A dataset, or "demo" for the embedded one (a folder of that name is "./demo"); "demo-act" for those
        of the embedded ACT.
      split: The split to read; "train" where it exists, else the only one.
      cameras: Recorded image key by camera name, {"primary": "image_0"}; without it, the known choice for the
        dataset, else keys named like cameras, else the only image.
      task: Words for all episodes, instead of the recorded ones; many formats record none.
      turn: For frames that are stored upside down: "flip" reverses the rows of each frame, "180" rows and columns.
      swap_red_blue: For frames that were stored with red and blue exchanged.

    Raises:
      EpisodeError: If nothing readable lies at the path, or the split or a camera is unknown.
      SelectionError: If the turn is unknown, or the task has no words.

    Example:
      ```python
      episodes = open_episodes("data/bridge_dataset", split="val")
      frames = episodes[3].images["primary"]  # time height width 3
      ```
    """
    options = ReadOptions(split=split, cameras=cameras, task=task, turn=turn, swap_red_blue=swap_red_blue)
    location = _embedded_directory(str(path)) if path in EMBEDDED else user_path(path)
    if not location.exists():
        raise EpisodeError(
            f"{location}: there is no such file or directory. Give the path of {expected_formats()}, or 'demo'."
        )
    source = _open(location, options)
    _check_not_empty(source)
    changes = task is not None or turn != "none" or swap_red_blue
    return changed_episodes(source, options) if changes else source


def _open(location: Path, options: ReadOptions) -> EpisodeSource:
    # Those that look for one file come before those that walk through folders.
    for open_reader in (open_calvin, open_replay_buffer, open_lerobot):
        source = open_reader(location, options)
        if source is not None:
            return source
    rlds = open_rlds(location, split=options.split, cameras=options.cameras)
    if rlds is not None:
        return rlds
    for open_reader in (open_droid, open_hdf5_recordings, open_videos, open_pictures):
        source = open_reader(location, options)
        if source is not None:
            return source
    raise EpisodeError(explain_unknown(location))


def _check_not_empty(source: EpisodeSource) -> None:
    if not len(source):
        others = [split for split in source.splits if split != source.split]
        choice = f"Choose another split with --split: {', '.join(others)}." if others else "Choose another dataset."
        raise EpisodeError(f"{source.name} has no episodes in its split '{source.split}'. {choice}")


def _embedded_directory(name: str) -> Path:
    directory = episodes_directory(name)
    if not directory.is_dir():
        raise EpisodeError(
            f"the {name} episodes are missing from this installation. Install octoscope again, or give a dataset's path."
        )
    return directory
