"""Video files: one is an episode of one camera; the videos of a folder are the cameras of one episode. Words lie beside them.

Frames are taken as they come, whatever the frame rate, turned upright as the file says.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoscope.array_typing import Float
from octoscope.episodes.camera_names import is_depth
from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.folders.words_file import read_words
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.frames.video import VIDEO_SUFFIXES, VideoDecoder, video_frames, video_size, video_times
from octoscope.episodes.natural_order import natural_key
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import check_lengths
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_SPLIT = "all"
_LOSSY = "Frames come from a compressed video: near to what the camera saw, not equal to it."


def open_videos(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the one episode of a video file, or of a folder with a video for each camera; None when there is no video.

    Raises:
      EpisodeError: If a video is damaged, or the split or a camera is unknown.
    """
    files = {path.stem: path} if _is_video(path.name) and path.is_file() else _videos_in(path)
    if not files:
        return None
    cameras = choose_cameras(path.name, list(files), cameras=options.cameras)
    split = choose_split(path.name, [_SPLIT], split=options.split)
    words = [path.with_suffix(".txt")] if path.is_file() else _words_in(path)
    name = path.stem if path.is_file() else path.name
    return EpisodeSource(name, split, (_SPLIT,), cameras, 1, _VideoEpisode(files, cameras, words), (_LOSSY,))


def _is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")


def _videos_in(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _is_video(entry.name) and not is_depth(entry.name)]
    return {Path(name).stem: folder / name for name in sorted(names, key=natural_key)}


def _words_in(folder: Path) -> list[Path]:
    """Returns instruction.txt, or the only text there is."""
    texts = sorted(folder.glob("*.txt"))
    return [folder / "instruction.txt", *(texts if len(texts) == 1 else [])]


@dataclass(frozen=True)
class _VideoEpisode:
    files: Mapping[str, Path]
    cameras: Mapping[str, str]
    words: list[Path]
    decoders: dict[str, VideoDecoder] = field(default_factory=dict)

    def __call__(self, position: int) -> Episode:
        times = {key: video_times(self.files[key]) for key in self.cameras.values()}
        try:
            check_lengths({self.files[key].name: len(shown) for key, shown in times.items()})
        except EpisodeError as error:
            raise EpisodeError(f"{error} Cut them to one length: ffmpeg -i IN -frames:v N OUT.") from error
        return Episode(
            images={camera: self._frames(key, times[key]) for camera, key in self.cameras.items()},
            instruction=read_words(self.words),
            actions=None,
            name="",
            dataset="",
        )

    def _frames(self, key: str, times: Float[np.ndarray, " time"]) -> Frames:
        path = self.files[key]
        decoder = self.decoders.setdefault(key, VideoDecoder())
        return video_frames(decoder, path, times, size=video_size(path, upright=True), tolerance=1e-3, upright=True)
