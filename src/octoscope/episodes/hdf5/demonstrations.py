"""Demonstrations as robomimic stores them: also MimicGen, robosuite, RoboCasa, LIBERO, whose files differ in words and extras.

`data/demo_N` holds `actions` and `obs/KEY`; `mask/NAME` the names of a split's demonstrations. A folder of such files (LIBERO
has one for each task) is one dataset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.hdf5.safe_file import (
    child,
    children,
    is_dataset,
    json_attribute,
    open_hdf5,
    text_attribute,
)
from octoscope.episodes.hdf5.stored_frames import is_raw_camera, stored_frames
from octoscope.episodes.natural_order import natural_key
from octoscope.episodes.options import ReadOptions
from octoscope.episodes.recorded_numbers import as_actions, check_lengths, is_step_number
from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError

_ALL = "all"
_UPSIDE_DOWN = (
    "Frames are as stored, which is upside down (macros_image_convention is opengl); policies were trained on frames that were "
    'turned differently: turn="flip" or turn="180" (--turn) gives those.'
)


def is_demonstrations(file: Any) -> bool:
    """Returns whether an open HDF5 file holds demonstrations."""
    data = child(file, "data")
    return data is not None and not is_dataset(data) and any(_is_demonstration(child(data, name)) for name in data)


def open_demonstrations(name: str, paths: Sequence[Path], options: ReadOptions) -> EpisodeSource:
    """Returns the demonstrations of some files, one file after another.

    Args:
      name: Of the dataset.
      paths: The files.
      options: What the user says.

    Raises:
      EpisodeError: If a file is damaged or holds no images, or the split or a camera is unknown.
    """
    contents = [_read_contents(path) for path in paths]
    splits = tuple(dict.fromkeys(split for content in contents for split in content.splits))
    split = choose_split(name, splits, split=options.split)
    chosen = [(content.path, demo) for content in contents for demo in content.splits.get(split, ())]
    if not chosen:
        raise EpisodeError(f"{name}: split '{split}' names no demonstrations. Choose one of: {', '.join(splits)}.")
    cameras = choose_cameras(name, _image_keys(*chosen[0]), cameras=options.cameras)
    upside_down = options.turn == "none" and any(content.upside_down for content in contents)
    return EpisodeSource(
        name=name,
        split=split,
        splits=splits,
        cameras=cameras,
        count=len(chosen),
        read=_Demonstrations(chosen, cameras),
        remarks=(_UPSIDE_DOWN,) if upside_down else (),
    )


@dataclass(frozen=True)
class _Contents:
    path: Path
    # Names of demonstrations, in natural order, by split.
    splits: Mapping[str, Sequence[str]]
    upside_down: bool


def _read_contents(path: Path) -> _Contents:
    with open_hdf5(path) as file:
        data = child(file, "data")
        if data is None:
            raise EpisodeError(f"{path}: expected demonstrations ('data'), got {', '.join(file) or 'nothing'}.")
        there = [name for name in data if _is_demonstration(child(data, name))]
        masks = child(file, "mask")
        named = (
            {} if masks is None else {name: _names(node) for name, node in children(masks).items() if is_dataset(node)}
        )
        for split, names in named.items():
            missing = sorted(set(names) - set(there), key=natural_key)
            if missing:
                raise EpisodeError(
                    f"{path}: split '{split}' names {missing[0]}, which is not among its {len(there)} demonstrations. Copy it again."
                )
        splits = {split: sorted(names, key=natural_key) for split, names in (named or {_ALL: there}).items()}
        return _Contents(path, splits, text_attribute(data, "macros_image_convention") == "opengl")


def _is_demonstration(node: Any) -> bool:
    return node is not None and not is_dataset(node) and is_dataset(child(node, "actions"))


def _names(node: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in node[()]]


def _image_keys(path: Path, demo: str) -> list[str]:
    with open_hdf5(path) as file:
        observations = child(file, f"data/{demo}/obs")
        recorded = {} if observations is None else children(observations)
        keys = [key for key, node in recorded.items() if is_raw_camera(key, node)]
        if keys:
            return sorted(keys, key=natural_key)
        like_images = [
            f"{key} {node.dtype} {node.shape}" for key, node in recorded.items() if is_dataset(node) and node.ndim == 4
        ]
        if like_images:
            raise EpisodeError(
                f"{path}: images must be uint8 of three channels, got {'; '.join(like_images)}. Write them as round(255 x value)."
            )
        raise EpisodeError(
            f"{path}: this file holds no images, only states. Make them with robomimic's dataset_states_to_obs and its "
            "--camera_names."
        )


@dataclass(frozen=True)
class _Demonstrations:
    # File and name of each.
    chosen: Sequence[tuple[Path, str]]
    # Recorded key by camera.
    cameras: Mapping[str, str]

    def __call__(self, position: int) -> Episode:
        path, name = self.chosen[position]
        with open_hdf5(path) as file:
            try:
                return self._read(path, child(file, f"data/{name}"), words=_words_of_file(child(file, "data")))
            except EpisodeError as error:
                raise EpisodeError(f"{path}, {name}: {error}") from error

    def _read(self, path: Path, demo: Any, *, words: str) -> Episode:
        observations = child(demo, "obs")
        nodes = {} if observations is None else children(observations)
        images: dict[str, Any] = {camera: nodes.get(key) for camera, key in self.cameras.items()}
        for camera, node in images.items():
            if not is_raw_camera(camera, node):
                raise EpisodeError(
                    f"has no image '{self.cameras[camera]}'. Choose a camera that all demonstrations have."
                )
        actions: Any = child(demo, "actions")
        counted = {"the actions": len(actions), **{self.cameras[camera]: len(node) for camera, node in images.items()}}
        if "num_samples" in demo.attrs:
            counted["num_samples"] = int(demo.attrs["num_samples"])
        steps = check_lengths(counted)
        return Episode(
            images={camera: stored_frames(path, node) for camera, node in images.items()},
            instruction=str(json_attribute(demo, "ep_meta").get("lang") or "").strip() or words,
            actions=as_actions(actions[()]),
            name="",
            dataset="",
            extras=_extras(demo, nodes, steps),
        )


def _words_of_file(data: Any) -> str:
    said = json_attribute(data, "problem_info").get("language_instruction") or ""
    if isinstance(said, list):
        # LIBERO's own program joins letters; others write a list of words.
        said = ("" if all(len(str(part)) == 1 for part in said) else " ").join(str(part) for part in said)
    return str(said).strip()


def _extras(demo: Any, observations: Mapping[str, Any], steps: int) -> dict[str, np.ndarray]:
    """Returns numbers of each step: observations by their names, and what stands beside them."""
    beside = {name: node for name, node in children(demo).items() if name not in ("obs", "next_obs", "actions")}
    every = {**_datasets(beside), **_datasets(observations)}
    return {name: node[()] for name, node in every.items() if is_step_number(node.shape, node.dtype, steps=steps)}


def _datasets(nodes: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    datasets: dict[str, Any] = {}
    for name, node in nodes.items():
        if is_dataset(node):
            datasets[prefix + name] = node
        else:
            datasets |= _datasets(children(node), f"{prefix}{name}/")
    return datasets
