"""DROID as it was recorded: a folder a trajectory, with trajectory.h5, metadata_*.json and recordings/MP4/SERIAL.mp4.

Cameras go by their role in the metadata: `ext1`, `ext2`, `wrist`. Pauses are in it, which the published RLDS form leaves out.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.frames.video import VideoDecoder, video_frames, video_size, video_times
from octoscope.episodes.hdf5.safe_file import child, children, is_dataset, open_hdf5
from octoscope.episodes.natural_order import natural_key
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import check_lengths, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_SPLIT = "all"
_TRAJECTORY = "trajectory.h5"
_ROLES = ("ext1", "ext2", "wrist")
# LAB/success/DATE/TRAJECTORY below a folder of labs.
_DEEPEST = 5
_REMARKS = (
    "Frames come from a compressed video: near to what the camera saw, not equal to it.",
    "The words are DROID's name of the kind of task; its instructions are in the RLDS form only.",
)


def open_droid(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the trajectories at or below `path`, or None when there is none.

    Raises:
      EpisodeError: If the first is damaged, or the split or a camera is unknown.
    """
    path = path.parent if path.name == _TRAJECTORY else path
    if not path.is_dir():
        return None
    folders = list(_trajectories(path, _DEEPEST))
    if not folders:
        return None
    keys = [role for role in _ROLES if role in _videos(folders[0])]
    if not keys:
        raise EpisodeError(
            f"{folders[0]}: expected recordings/MP4/SERIAL.mp4 for the serials in metadata_*.json, found none. SVO files need the "
            "ZED SDK: convert them to MP4 with it, or take DROID's RLDS form."
        )
    cameras = choose_cameras(path.name, keys, cameras=options.cameras)
    split = choose_split(path.name, [_SPLIT], split=options.split)
    return EpisodeSource(path.name, split, (_SPLIT,), cameras, len(folders), _DroidEpisodes(folders, cameras), _REMARKS)


def _trajectories(folder: Path, deepest: int) -> Iterator[Path]:
    if (folder / _TRAJECTORY).is_file():
        yield folder
    elif deepest:
        with os.scandir(folder) as entries:
            below = sorted((entry.name for entry in entries if entry.is_dir()), key=natural_key)
        for name in below:
            yield from _trajectories(folder / name, deepest - 1)


def _metadata(folder: Path) -> dict[str, Any]:
    files = sorted(folder.glob("metadata_*.json"))
    if len(files) != 1:
        raise EpisodeError(
            f"{folder}: expected one metadata_*.json, which says which camera is which, found {len(files)}."
        )
    try:
        metadata = json.loads(files[0].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EpisodeError(f"{files[0]}: cannot be read as JSON ({error}). Copy it again.") from error
    return metadata if isinstance(metadata, dict) else {}


def _videos(folder: Path) -> dict[str, Path]:
    """Returns the video of each role whose file is there."""
    metadata = _metadata(folder)
    serials = {role: str(metadata.get(f"{role}_cam_serial", "")) for role in _ROLES}
    files = {
        role: folder / "recordings" / "MP4" / f"{serial}.mp4" for role, serial in serials.items() if serial.isalnum()
    }
    return {role: file for role, file in files.items() if file.is_file()}


@dataclass(frozen=True)
class _DroidEpisodes:
    folders: Sequence[Path]
    cameras: Mapping[str, str]
    decoders: dict[str, VideoDecoder] = field(default_factory=dict)

    def __call__(self, position: int) -> Episode:
        folder = self.folders[position]
        videos = _videos(folder)
        missing = [role for role in self.cameras.values() if role not in videos]
        if missing:
            raise EpisodeError(
                f"{folder}: has no video of camera '{missing[0]}'. Choose a camera that all trajectories have."
            )
        times = {role: video_times(videos[role]) for role in self.cameras.values()}
        numbers, recorded = _numbers(folder / _TRAJECTORY)
        lengths = {"trajectory.h5": recorded, **{role: len(shown) for role, shown in times.items()}}
        steps = min(lengths.values())
        if not steps:
            check_lengths(dict.fromkeys(lengths, 0))
        cut = ", ".join(f"{name} {length}" for name, length in lengths.items())
        return Episode(
            images={
                camera: self._frames(role, videos[role], times[role][:steps]) for camera, role in self.cameras.items()
            },
            instruction=str(_metadata(folder).get("current_task") or "").strip(),
            actions=None,
            name="",
            dataset="",
            extras={name: array[:steps] for name, array in numbers.items()},
            remarks=(f"Cut to the {steps} steps that all have: {cut}.",) if len(set(lengths.values())) > 1 else (),
        )

    def _frames(self, role: str, path: Path, times: np.ndarray) -> Frames:
        decoder = self.decoders.setdefault(role, VideoDecoder())
        return video_frames(decoder, path, times, size=video_size(path), tolerance=1e-3)


def _numbers(path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Returns the numbers of each step by their names, and how many steps there are."""
    with open_hdf5(path) as file:
        parts = {"action/": child(file, "action"), "": child(file, "observation/robot_state")}
        nodes = {
            prefix + name: node
            for prefix, group in parts.items()
            if group is not None and not is_dataset(group)
            for name, node in children(group).items()
            if is_dataset(node) and node.ndim
        }
        skipped = child(file, "observation/timestamp/skip_action")
        nodes |= {"skip_action": skipped} if is_dataset(skipped) else {}
        try:
            steps = check_lengths({name: len(node) for name, node in nodes.items()})
        except EpisodeError as error:
            raise EpisodeError(f"{path}: {error}") from error
        return {
            name: node[()] for name, node in nodes.items() if is_step_number(node.shape, node.dtype, steps=steps)
        }, steps
