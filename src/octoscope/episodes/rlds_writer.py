"""Episodes as an RLDS dataset on disk, with PNG images: read back exactly here, and readable by TFDS.

All episodes are held in memory and each split is one file: made for small datasets, such as the embedded one.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.episodes.episode import Episode
from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.rlds_directory import FEATURES_FILE, INFO_FILE, SHARD_TEMPLATE, shard_name
from octoscope.episodes.rlds_episode import ACTION
from octoscope.episodes.rlds_features import Feature, features_tree
from octoscope.episodes.rlds_instruction import INSTRUCTION
from octoscope.episodes.rlds_values import END_MARKS, STEPS
from octoscope.episodes.tf_example import ExampleValue, encode_example
from octoscope.episodes.tfrecord import write_tfrecord
from octoscope.errors import OutputError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# What float32 and int64, the two number types of an Example, hold exactly.
_EXACT_DTYPES = ("bool", "float16", "float32", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
# RLDS keeps these beside the observation.
_BESIDE_OBSERVATION = ("reward", "discount")


def write_rlds(
    directory: Path,
    *,
    name: str,
    episodes: Mapping[str, Sequence[Episode]],
    version: str = "1.0.0",
    description: str = "",
    citation: str = "",
) -> Path:
    """Writes episodes as the dataset NAME/VERSION below `directory` and returns that version directory.

    A camera is recorded as "image_CAMERA", an extra as "observation/EXTRA". The names and dataset names that the
    episodes had before are not kept: read back, they are called after this dataset.

    Args:
      directory: The folder of datasets; made where it is missing.
      name: The dataset's name, as Python names a module.
      episodes: The episodes of each split, all with the same cameras, image sizes, actions and extras.
      version: Three numbers with dots.
      description: What the dataset is, for its readers.
      citation: How to cite it (BibTeX).

    Raises:
      ValueError: If a name or the version has another form, a split is empty, or the episodes differ in what a step
        holds.
      TypeError: If an array's dtype cannot be stored without loss.
      OutputError: If that version exists.
    """
    _check_names(name, version, list(episodes))
    features = _common_features(episodes)
    target = directory / name / version
    if target.exists():
        raise OutputError(f"{target} exists. Remove it, or give another version.")
    target.mkdir(parents=True)
    splits = [_write_split(target, name, split, members) for split, members in episodes.items()]
    _write_json(target / FEATURES_FILE, features_tree(features))
    # Last, since a directory without it is no dataset: a half-written one is never taken for a whole one.
    info = {"citation": citation, "description": description, "fileFormat": "tfrecord", "name": name}
    _write_json(target / INFO_FILE, {**info, "splits": splits, "version": version})
    return target


def _check_names(name: str, version: str, splits: Sequence[str]) -> None:
    if not splits:
        raise ValueError("`episodes` must have at least one split, got none.")
    for argument, value, form in [("name", name, _NAME), ("version", version, _VERSION)]:
        if not form.fullmatch(value):
            raise ValueError(f"`{argument}` must have the form {form.pattern}, got {value!r}.")
    for split in splits:
        if not _NAME.fullmatch(split):
            raise ValueError(f"`episodes` must have splits of the form {_NAME.pattern}, got {split!r}.")


def _common_features(episodes: Mapping[str, Sequence[Episode]]) -> dict[str, Feature]:
    for split, members in episodes.items():
        if not members:
            raise ValueError(f"`episodes` must hold at least one episode in each split, got none in {split!r}.")
    every = [
        (f"{split}/{index}", episode) for split, members in episodes.items() for index, episode in enumerate(members)
    ]
    first = _features(every[0][1])
    for place, episode in every[1:]:
        features = _features(episode)
        if features != first:
            differing = sorted(path for path in {*first, *features} if first.get(path) != features.get(path))
            raise ValueError(
                f"`episodes` must all hold the same at a step, got another {', '.join(differing)} in {place}."
            )
    return first


def _features(episode: Episode) -> dict[str, Feature]:
    images = {
        _image_path(camera): Feature("image", images.shape[1:], "uint8") for camera, images in episode.images.items()
    }
    tensors = {
        path: Feature("tensor", array.shape[1:], str(array.dtype), "zlib" if _is_picture(array) else "none")
        for path, array in _tensors(episode).items()
    }
    marks = {path: Feature("tensor", (), "bool") for path in END_MARKS}
    return {**images, **tensors, **marks, INSTRUCTION: Feature("text", (), "string")}


def _tensors(episode: Episode) -> dict[str, np.ndarray]:
    tensors = {} if episode.actions is None else {ACTION: episode.actions}
    for extra, array in episode.extras.items():
        tensors[STEPS + extra if extra in _BESIDE_OBSERVATION else f"{STEPS}observation/{extra}"] = array
    for path, array in tensors.items():
        if str(array.dtype) not in _EXACT_DTYPES:
            raise TypeError(f"`episodes` must hold arrays of {', '.join(_EXACT_DTYPES)}, got {path} of {array.dtype}.")
        if len(array) != len(episode):
            raise ValueError(
                f"`episodes` must hold {len(episode)} steps of {path} in {episode.name}, got {len(array)}."
            )
    return tensors


def _write_split(target: Path, name: str, split: str, episodes: Sequence[Episode]) -> dict[str, Any]:
    """Writes the only shard of a split and returns what dataset_info.json says about it."""
    payloads = [encode_example(_example(episode)) for episode in episodes]
    file = shard_name(SHARD_TEMPLATE, dataset=name, split=split, file_format="tfrecord", index=0, count=1)
    write_tfrecord(target / file, payloads)
    # Protobuf's JSON writes int64 as strings.
    return {
        "filepathTemplate": SHARD_TEMPLATE,
        "name": split,
        "numBytes": str(sum(len(payload) for payload in payloads)),
        "shardLengths": [str(len(payloads))],
    }


def _example(episode: Episode) -> dict[str, ExampleValue]:
    steps = np.arange(len(episode))
    is_last = steps == len(episode) - 1
    marks = zip(END_MARKS, (steps == 0, is_last, is_last), strict=True)
    return {
        **{_image_path(camera): [encode_png(image) for image in images] for camera, images in episode.images.items()},
        **{path: _flat(array) for path, array in _tensors(episode).items()},
        **{path: _flat(mark) for path, mark in marks},
        INSTRUCTION: [episode.instruction.encode()] * len(episode),
    }


def _is_picture(array: np.ndarray) -> bool:
    """Returns whether an extra is a mask or the like, which compresses well and would be a number per pixel without."""
    return array.dtype == np.uint8 and array.ndim > 2


def _flat(array: np.ndarray) -> ExampleValue:
    if _is_picture(array):
        return [zlib.compress(step.tobytes(), 9) for step in array]
    return array.ravel().astype(np.float32 if array.dtype.kind == "f" else np.int64)


def _image_path(camera: str) -> str:
    return f"{STEPS}observation/image_{camera}"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
