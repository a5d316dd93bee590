"""ALOHA and ACT recordings: one HDF5 file an episode, with `observations/images/CAMERA`, `observations/qpos` and `action`.

Pictures are raw or JPEG, told by the number of axes and not by the attribute `compress`. `compress_len` is left alone: its rows
are in the recorder's order of cameras, not HDF5's, and a JPEG ends itself. ACT's training shifts the actions of real recordings
(`sim` is False) by a step; here they are as recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.hdf5.safe_file import child, children, is_dataset, open_hdf5
from octoscope.episodes.hdf5.stored_frames import is_compressed_camera, is_raw_camera, stored_frames
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import as_actions, check_lengths, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_SPLIT = "all"
_ACTION, _IMAGES = "action", "observations/images"
# Counts bytes of JPEGs, not something of the robot.
_NOT_NUMBERS = ("compress_len",)
_COLOURS = (
    "Frames are JPEG, whose order of colours these recorders do not agree on: if red and blue look exchanged, give "
    "swap_red_blue=True (--swap-red-blue)."
)


def is_aloha(file: Any) -> bool:
    """Returns whether an open HDF5 file is such an episode."""
    images = child(file, _IMAGES)
    return images is not None and not is_dataset(images)


def open_aloha(name: str, paths: Sequence[Path], options: ReadOptions) -> EpisodeSource:
    """Returns one episode for each file; only the first is looked into yet.

    Args:
      name: Of the dataset.
      paths: The files, in order.
      options: What the user says.

    Raises:
      EpisodeError: If the first file is damaged, or the split or a camera is unknown.
    """
    with open_hdf5(paths[0]) as file:
        images = _camera_nodes(file, paths[0])
        compressed = any(not is_raw_camera(key, node) for key, node in images.items())
        cameras = choose_cameras(name, list(images), cameras=options.cameras)
    split = choose_split(name, [_SPLIT], split=options.split)
    remarks = (_COLOURS,) if compressed and not options.swap_red_blue else ()
    return EpisodeSource(name, split, (_SPLIT,), cameras, len(paths), _AlohaEpisodes(paths, cameras), remarks)


def _camera_nodes(file: Any, path: Path) -> dict[str, Any]:
    images = child(file, _IMAGES)
    recorded = {} if images is None else children(images)
    nodes = {key: node for key, node in recorded.items() if is_raw_camera(key, node) or is_compressed_camera(key, node)}
    if not nodes:
        kinds = [f"{key} {node.dtype} {node.shape}" for key, node in recorded.items() if is_dataset(node)]
        raise EpisodeError(
            f"{path}: expected cameras in {_IMAGES}, raw (time, height, width, 3) or JPEG (time, bytes) of uint8, "
            f"got {'; '.join(kinds) or 'none'}."
        )
    return nodes


@dataclass(frozen=True)
class _AlohaEpisodes:
    paths: Sequence[Path]
    cameras: Mapping[str, str]

    def __call__(self, position: int) -> Episode:
        path = self.paths[position]
        with open_hdf5(path) as file:
            nodes = _camera_nodes(file, path)
            missing = [key for key in self.cameras.values() if key not in nodes]
            if missing:
                raise EpisodeError(
                    f"{path}: has no camera '{missing[0]}', only {', '.join(nodes)}. Choose one that all files have."
                )
            action = child(file, _ACTION)
            counted = {key: len(nodes[key]) for key in self.cameras.values()}
            counted |= {"the actions": len(action)} if is_dataset(action) else {}
            try:
                steps = check_lengths(counted)
            except EpisodeError as error:
                raise EpisodeError(f"{path}: {error}") from error
            observations = children(child(file, "observations"))
            numbers = {name: node for name, node in {**children(file), **observations}.items() if is_dataset(node)}
            return Episode(
                images={camera: stored_frames(path, nodes[key]) for camera, key in self.cameras.items()},
                instruction="",
                actions=as_actions(action[()]) if is_dataset(action) else None,
                name="",
                dataset="",
                extras={
                    name: node[()]
                    for name, node in numbers.items()
                    if name not in (_ACTION, *_NOT_NUMBERS) and is_step_number(node.shape, node.dtype, steps=steps)
                },
            )
