"""CALVIN: a file of arrays for each step, `episode_0358482.npz`, and `ep_start_end_ids.npy` that says which belong together.

The words lie in a pickled file, which is never opened. Where `lang_annotations/auto_lang_ann.json` lies beside it, made from it by
those who trust it (docs/episodes.md), its annotated parts are the episodes; else the episodes are whole hours of play, without words.
Hundreds of thousands of files lie in the folder, so it is never listed.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octoscope.array_typing import Int, UInt8
from octoscope.episodes.camera_names import is_depth
from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import as_actions, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_IDS = "ep_start_end_ids.npy"
_WORDS = Path("lang_annotations") / "auto_lang_ann.json"
_SPLITS = ("training", "validation")
# What policies are trained on; the absolute "actions" stay among the extras.
_ACTION = "rel_actions"


def open_calvin(path: Path, options: ReadOptions) -> EpisodeSource | None:
    """Returns the episodes of a CALVIN dataset, or None when there is none.

    Args:
      path: A dataset with `training` and `validation`, or one of these.
      options: What the user says.

    Raises:
      EpisodeError: If it is damaged, or the split or a camera is unknown.
    """
    if (path / _IDS).is_file():
        folders = {path.name: path}
        name = path.resolve().parent.name
    else:
        folders = {split: path / split for split in _SPLITS if (path / split / _IDS).is_file()}
        name = path.name
    if not folders:
        return None
    usual = "training" if options.split is None and "training" in folders else options.split
    split = choose_split(name, list(folders), split=usual)
    folder = folders[split]
    spans, words = _annotated(folder) if (folder / _WORDS).is_file() else (_whole_episodes(folder), None)
    recorded = _step(folder, int(spans[0, 0]))
    keys = [
        key for key, array in recorded.items() if array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    ]
    cameras = choose_cameras(name, [key for key in keys if not is_depth(key)], cameras=options.cameras)
    read = _CalvinEpisodes(folder, spans, words, cameras)
    return EpisodeSource(name, split, tuple(folders), cameras, len(spans), read, _remarks(folder, words, options))


def _remarks(folder: Path, words: Sequence[str] | None, options: ReadOptions) -> tuple[str, ...]:
    if words is not None or options.task is not None or not (folder / _WORDS.parent).is_dir():
        return ()
    return (
        f"The words are pickled (lang_annotations), which is never opened: give them with task=... (--task), or make {_WORDS}.",
    )


def _whole_episodes(folder: Path) -> Int[np.ndarray, "episode 2"]:
    try:
        ids = np.load(folder / _IDS, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise EpisodeError(f"{folder / _IDS}: cannot be read as an array ({error}). Copy it again.") from error
    return _checked_spans(folder / _IDS, ids)


def _annotated(folder: Path) -> tuple[Int[np.ndarray, "episode 2"], list[str]]:
    file = folder / _WORDS
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        spans, words = np.array(content["indx"]), [str(text) for text in content["ann"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EpisodeError(
            f'{file}: expected {{"indx": [[first, last], ...], "ann": ["words", ...]}} ({error!r}).'
        ) from error
    if len(spans) != len(words):
        raise EpisodeError(f"{file}: expected words for each of {len(spans)} spans, got {len(words)}.")
    return _checked_spans(file, spans), words


def _checked_spans(file: Path, spans: np.ndarray) -> Int[np.ndarray, "episode 2"]:
    fits = spans.ndim == 2 and spans.shape[1:] == (2,) and len(spans) and spans.dtype.kind in "iu"
    if not fits or (spans[:, 0] > spans[:, 1]).any() or (spans < 0).any():
        raise EpisodeError(
            f"{file}: expected the first and the last step of each episode, got {spans.dtype} {spans.shape}."
        )
    return spans.astype(np.int64)


def _step(folder: Path, number: int, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Returns the arrays of one step; only some of them where `names` are given, since each is read by itself."""
    file = folder / f"episode_{number:07d}.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in (arrays.files if names is None else names)}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise EpisodeError(f"{file}: cannot be read ({error}). Copy or download it again.") from error


@dataclass(frozen=True)
class _CalvinEpisodes:
    folder: Path
    # First and last step of each, both included.
    spans: Int[np.ndarray, "episode 2"]
    words: Sequence[str] | None
    cameras: Mapping[str, str]

    def __call__(self, position: int) -> Episode:
        first, last = (int(number) for number in self.spans[position])
        example = _step(self.folder, first)
        names = [name for name, array in example.items() if is_step_number((1, *array.shape), array.dtype, steps=1)]
        steps = [_step(self.folder, number, names) for number in range(first, last + 1)]
        try:
            numbers = {name: np.stack([step[name] for step in steps]) for name in names}
        except ValueError as error:
            raise EpisodeError(
                f"{self.folder}: steps {first} to {last} differ in shape ({error}). Copy them again."
            ) from error
        actions = numbers.pop(_ACTION, None)
        return Episode(
            images={camera: self._frames(key, example[key], first, last) for camera, key in self.cameras.items()},
            instruction="" if self.words is None else self.words[position],
            actions=None if actions is None else as_actions(actions),
            name="",
            dataset="",
            extras=numbers,
        )

    def _frames(self, key: str, frame: np.ndarray, first: int, last: int) -> Frames:
        return Frames(_FrameReader(self.folder, key, first, frame.shape), shape=(last + 1 - first, *frame.shape[:2], 3))


@dataclass(frozen=True)
class _FrameReader:
    folder: Path
    key: str
    first: int
    shape: tuple[int, ...]

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        frames = [_step(self.folder, self.first + step, [self.key])[self.key] for step in range(start, stop)]
        for step, frame in enumerate(frames, self.first + start):
            if frame.shape != self.shape or frame.dtype != np.uint8:
                raise EpisodeError(
                    f"episode_{step:07d}.npz: '{self.key}' must be uint8 {self.shape} as at the episode's first step, got "
                    f"{frame.dtype} {frame.shape}. Copy it again."
                )
        return np.stack(frames)
