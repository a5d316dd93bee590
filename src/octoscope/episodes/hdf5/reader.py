"""HDF5 recordings at a path: which of the known forms a file, or the files of a folder, have."""

import os
from pathlib import Path

from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.hdf5.aloha import is_aloha, open_aloha
from octoscope.episodes.hdf5.demonstrations import is_demonstrations, open_demonstrations
from octoscope.episodes.hdf5.safe_file import HDF5_SUFFIXES, is_hdf5, open_hdf5
from octoscope.episodes.natural_order import natural_key
from octoscope.episodes.options import ReadOptions
from octoscope.errors import EpisodeError


def open_hdf5_recordings(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the episodes of an HDF5 file or of a folder of such files, or None when there is none.

    Raises:
      EpisodeError: If h5py is not installed, the file is damaged or of an unknown form, or the split or a camera is unknown.
    """
    files = [path] if is_hdf5(path) else _files_in(path)
    if not files:
        return None
    with open_hdf5(files[0]) as file:
        aloha, demonstrations, contents = is_aloha(file), is_demonstrations(file), list(file)[:8]
    if aloha:
        # A file is one episode, so its folder is the dataset.
        return open_aloha(path.parent.name if path.is_file() else path.name, files, options)
    if demonstrations:
        return open_demonstrations(path.stem if path.is_file() else path.name, files, options)
    raise EpisodeError(
        f"{files[0]}: expected demonstrations (data/demo_0/actions and obs, as robomimic, MimicGen and LIBERO write) or an ALOHA "
        f"episode (observations/images), found {', '.join(contents) or 'nothing'}. Convert it to one of these or to LeRobot."
    )


def _files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.lower().endswith(HDF5_SUFFIXES) and entry.is_file()]
    return [folder / name for name in sorted(names, key=natural_key) if not name.startswith(".")]
