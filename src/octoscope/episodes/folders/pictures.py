"""Folders of numbered pictures: an episode is CAMERA/frame_1.png and so on, with its words in instruction.txt.

BridgeData V2 as it was recorded has this form (images0/im_0.jpg, lang.txt). Its state and actions are pickled, and pickles are
never opened.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.camera_names import is_depth
from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.folders.words_file import read_words
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.natural_order import natural_key
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.picture_file import picture_size, read_picture
from octoscope.episodes.recorded_numbers import check_lengths
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_SPLIT = "all"
_SUFFIXES = (".png", ".jpg", ".jpeg")
# DATE/raw/traj_group0/traj0 and a folder above, in BridgeData.
_DEEPEST = 5
# A folder's first entries say whether it is one of pictures.
_LOOKED_AT = 50
_WORDS = ("instruction.txt", "lang.txt")
_PICKLED = "State and actions were left alone: they are pickled ({names}), and pickles are never opened."


def open_pictures(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the episodes of pictures at or below `path`, or None when there is none.

    Args:
      path: A folder of pictures, of cameras, or of episodes at any depth up to five.
      options: What the user says.

    Raises:
      EpisodeError: If a picture is damaged, or the split or a camera is unknown.
    """
    if not path.is_dir():
        return None
    folders = list(_episode_folders(path, _DEEPEST))
    if not folders:
        return None
    cameras = choose_cameras(path.name, list(_camera_folders(folders[0])), cameras=options.cameras)
    split = choose_split(path.name, [_SPLIT], split=options.split)
    return EpisodeSource(path.name, split, (_SPLIT,), cameras, len(folders), _PictureEpisodes(folders, cameras))


def _episode_folders(folder: Path, deepest: int) -> Iterator[Path]:
    if _holds_pictures(folder) or _camera_folders(folder):
        yield folder
    elif deepest:
        for below in _folders_in(folder):
            yield from _episode_folders(below, deepest - 1)


def _camera_folders(folder: Path) -> dict[str, Path]:
    """Returns the folder of each camera's pictures; the episode's own where they lie in it directly."""
    if _holds_pictures(folder):
        return {folder.name: folder}
    return {below.name: below for below in _folders_in(folder) if not is_depth(below.name) and _holds_pictures(below)}


def _folders_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names, key=natural_key)]


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        first = [entry.name for entry, _ in zip(entries, range(_LOOKED_AT), strict=False)]
    return any(_is_picture(name) for name in first)


def _is_picture(name: str) -> bool:
    # macOS leaves "._frame_1.png" beside "frame_1.png" on other systems' disks.
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


@dataclass(frozen=True)
class _PictureEpisodes:
    folders: Sequence[Path]
    cameras: Mapping[str, str]

    def __call__(self, position: int) -> Episode:
        folder = self.folders[position]
        there = _camera_folders(folder)
        missing = [key for key in self.cameras.values() if key not in there]
        # The only camera of an episode may be called as the episode is.
        if missing and len(there) == len(self.cameras) == 1:
            there = {missing[0]: next(iter(there.values()))}
        elif missing:
            raise EpisodeError(f"{folder}: has no pictures of '{missing[0]}'. Choose a camera that all episodes have.")
        pictures = {camera: _pictures_in(there[key]) for camera, key in self.cameras.items()}
        try:
            check_lengths({self.cameras[camera]: len(files) for camera, files in pictures.items()})
        except EpisodeError as error:
            raise EpisodeError(f"{folder}: {error} If each folder is an episode, give the path of one.") from error
        pickled = sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".pkl")
        return Episode(
            images={camera: _frames(files) for camera, files in pictures.items()},
            instruction=read_words([folder / name for name in _WORDS]),
            actions=None,
            name="",
            dataset="",
            remarks=(_PICKLED.format(names=", ".join(pickled)),) if pickled else (),
        )


def _pictures_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted((entry.name for entry in entries if _is_picture(entry.name)), key=natural_key)
    return [folder / name for name in names]


def _frames(files: Sequence[Path]) -> Frames:
    first = picture_size(files[0])
    for file in files:
        size = picture_size(file)
        if size != first:
            raise EpisodeError(
                f"{file}: pictures of a camera must have one (height, width), got {size} after {first}. Resize them."
            )
    return Frames(_PictureReader(tuple(files)), shape=(len(files), *first, 3))


@dataclass(frozen=True)
class _PictureReader:
    files: tuple[Path, ...]

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        return np.stack([read_picture(file, exact=True)[0] for file in self.files[start:stop]])
