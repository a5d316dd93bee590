"""LeRobot datasets: opening reads the index, an episode its rows of one table; frames are decoded when they are asked for.

Needs pyarrow, the extra `parquet`. Video is lossy, so frames are near to what the robot saw and not equal to it.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.encoded import encoded_frames
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.frames.video import VideoDecoder, video_frames, video_size
from octoscope.episodes.lerobot.columns import column_array, is_camera, recorded_name
from octoscope.episodes.lerobot.directory import LeRobotDirectory, find_lerobot, read_lerobot_directory
from octoscope.episodes.lerobot.episode_index import EpisodeIndex, read_columns, read_episode_index
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import as_actions, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_ACTION = "action"
_ORDER, _TIME, _TASK = "frame_index", "timestamp", "task_index"
_LOSSY = "Frames come from a compressed video: near to what the camera saw, not equal to it."


def open_lerobot(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the episodes of the LeRobot dataset at `path`, or None when no such dataset lies there.

    Args:
      path: The dataset, or a folder with one dataset.
      options: What the user says.

    Raises:
      EpisodeError: If pyarrow is not installed, the dataset is damaged, or the split or a camera is unknown.
    """
    root = find_lerobot(path)
    if root is None:
        return None
    if importlib.util.find_spec("pyarrow") is None:
        raise EpisodeError(f'{root}: a LeRobot dataset needs pyarrow: pip install "octoscope[parquet]"')
    directory = read_lerobot_directory(root)
    keys = {recorded_name(name): name for name, feature in directory.features.items() if is_camera(name, feature)}
    split = choose_split(root.name, list(directory.splits), split=options.split)
    index = read_episode_index(directory)
    index = index.selected(_rows_of(index, directory.splits, split))
    cameras = choose_cameras(root.name, list(keys), cameras=options.cameras)
    features = {camera: keys[key] for camera, key in cameras.items()}
    video = any(directory.features[name]["dtype"] == "video" for name in features.values())
    return EpisodeSource(
        name=root.name,
        split=split,
        splits=tuple(directory.splits),
        cameras=cameras,
        count=len(index.length),
        read=_LeRobotEpisodes(directory, index, features, one_task=options.task is None),
        remarks=(_LOSSY,) if video else (),
    )


def _rows_of(index: EpisodeIndex, splits: Mapping[str, str], split: str) -> np.ndarray:
    # The only split is everything: its "0:80" is often left from before episodes were added.
    if len(splits) == 1:
        return np.arange(len(index.length))
    first, colon, last = splits[split].partition(":")
    if not (colon and first.strip().isdecimal() and last.strip().isdecimal()):
        raise EpisodeError(f"meta/info.json: split '{split}' must be like '0:80', got '{splits[split]}'.")
    return np.flatnonzero((index.episode_index >= int(first)) & (index.episode_index < int(last)))


@dataclass(frozen=True)
class _LeRobotEpisodes:
    directory: LeRobotDirectory
    index: EpisodeIndex
    # Feature of each camera.
    cameras: Mapping[str, str]
    # Whether an episode whose task changes is refused.
    one_task: bool
    decoders: dict[str, VideoDecoder] = field(default_factory=dict)

    def __call__(self, position: int) -> Episode:
        number = int(self.index.episode_index[position])
        path = self._data_path(position)
        stored = [name for name, feature in self.directory.features.items() if self._is_stored(name, feature)]
        # Asked for always: some infos leave the default columns out.
        names = list(dict.fromkeys([*stored, _ORDER, _TIME, _TASK]))
        table = read_columns(path, names, episode=number)
        if len(table) != self.index.length[position] or not len(table):
            raise EpisodeError(
                f"{path}: episode {number} has {len(table)} rows, where the index says {self.index.length[position]}. "
                "The table is cut short or belongs to another version: download it again."
            )
        if _ORDER in table.column_names:
            table = table.sort_by(_ORDER)
        numbers = self._numbers(table)
        action = numbers.pop(_ACTION, None)
        return Episode(
            images={camera: self._frames(table, name, position) for camera, name in self.cameras.items()},
            instruction=self._instruction(table, number),
            actions=None if action is None else as_actions(action),
            name="",
            dataset="",
            extras=_name_extras(numbers),
        )

    def _is_stored(self, name: str, feature: Mapping[str, Any]) -> bool:
        """Returns whether a feature is a column that is needed: numbers, and the pictures of chosen cameras."""
        return name in self.cameras.values() or feature.get("dtype") not in ("image", "video", "string")

    def _data_path(self, position: int) -> Path:
        return self.directory.data_path(**self._numbers_of_path(position, "data/"))

    def _numbers_of_path(self, position: int, prefix: str) -> dict[str, int]:
        number = int(self.index.episode_index[position])
        if not self.directory.shared_files:
            return {"episode_chunk": number // self.directory.chunk_size, "episode_index": number}
        names = ("chunk_index", "file_index")
        missing = [prefix + name for name in names if prefix + name not in self.index.places]
        if missing:
            raise EpisodeError(f"the tables of episodes have no column '{missing[0]}'. Download the meta folder again.")
        return {name: int(self.index.places[prefix + name][position]) for name in names}

    def _numbers(self, table: Any) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        for name, feature in self.directory.features.items():
            if name in table.column_names and feature.get("dtype") not in ("image", "video"):
                array = column_array(table[name], name, feature)
                if array is not None and (
                    name == _ACTION or is_step_number(array.shape, array.dtype, steps=len(table))
                ):
                    arrays[name] = array
        return arrays

    def _instruction(self, table: Any, number: int) -> str:
        if _TASK not in table.column_names:
            return ""
        tasks = table[_TASK].to_numpy()
        changes = np.flatnonzero(tasks != tasks[0])
        words = [self.index.tasks.get(int(task)) for task in (tasks[0], *tasks[changes[:1]])]
        if None in words:
            raise EpisodeError(
                f"episode {number} has a task that meta/tasks does not list. Download the meta folder again."
            )
        if len(changes) and self.one_task:
            raise EpisodeError(
                f"the task of episode {number} changes at step {changes[0]}, from '{words[0]}' to '{words[1]}': no one instruction "
                "holds for it. Give one for the whole with task=... (--task), or choose another episode."
            )
        return str(words[0])

    def _frames(self, table: Any, name: str, position: int) -> Frames:
        key = recorded_name(name)
        if self.directory.features[name]["dtype"] == "image":
            return encoded_frames(self._pictures(table, name), name=key)
        prefix = f"videos/{name}/"
        path = self.directory.video_path(name, **self._numbers_of_path(position, prefix))
        start = float(self.index.places[f"{prefix}from_timestamp"][position]) if self.directory.shared_files else 0.0
        times = start + np.asarray(table[_TIME].to_numpy(), np.float64)
        decoder = self.decoders.setdefault(name, VideoDecoder())
        return video_frames(decoder, path, times, size=video_size(path), tolerance=0.5 / self.directory.fps)

    def _pictures(self, table: Any, name: str) -> Sequence[bytes]:
        if name not in table.column_names:
            raise EpisodeError(f"the table has no column '{name}'. Choose a camera that this dataset has.")
        return [self._picture(stored, name, step) for step, stored in enumerate(table[name].to_pylist())]

    def _picture(self, stored: Any, name: str, step: int) -> bytes:
        stored = stored or {}
        if stored.get("bytes"):
            return stored["bytes"]
        if not stored.get("path"):
            raise EpisodeError(
                f"image '{recorded_name(name)}', step {step}: neither bytes nor a file. Download the table again."
            )
        path = self.directory.inside(stored["path"])
        try:
            return path.read_bytes()
        except OSError as error:
            raise EpisodeError(
                f"{path}: cannot be read ({error.strerror}). Copy it from where the dataset was made."
            ) from error


def _name_extras(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # "observation.state" is called "state", unless a column has that name already.
    names = {name: recorded_name(name) for name in arrays}
    counts = list(names.values())
    return {name if counts.count(short) > 1 else short: arrays[name] for name, short in names.items()}
