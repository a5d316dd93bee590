"""An RLDS dataset's directory: which version to take, its splits, and the files that hold their episodes.

TFDS lays a dataset out as NAME/VERSION (or NAME/CONFIG/VERSION) with dataset_info.json, features.json and shards such
as NAME-train.tfrecord-00000-of-00042. Shards are looked for only when read, so a partly copied dataset opens.
"""

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.episodes.rlds_features import Feature, parse_features
from octoscope.errors import EpisodeError

INFO_FILE = "dataset_info.json"
FEATURES_FILE = "features.json"
SHARD_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"

# Far more than any dataset has; a damaged number beyond would cost memory before the first file is opened.
_MOST_EPISODES = 10_000_000
# From a folder of datasets down to one version of one configuration: FOLDER/NAME/CONFIG/VERSION.
_DEEPEST = 3


@dataclass(frozen=True)
class Shard:
    """One TFRecord file of a split."""

    path: Path
    # Episodes it holds, as dataset_info.json says.
    length: int


@dataclass(frozen=True)
class RldsDirectory:
    """What dataset_info.json and features.json say."""

    name: str
    # The shards of each split, in order.
    splits: Mapping[str, tuple[Shard, ...]]
    # By path ("steps/observation/state"); empty when the dataset has no features.json.
    features: Mapping[str, Feature]


def find_rlds(path: Path) -> Path | None:
    """Returns the version directory at or below `path`, the newest where there are several; None where there is none.

    Args:
      path: The version directory itself, the directory of a dataset, or a folder that holds one dataset.

    Raises:
      EpisodeError: If several datasets lie below `path`.
    """
    for depth in range(_DEEPEST + 1):
        versions = [info.parent for info in path.glob("*/" * depth + INFO_FILE)]
        datasets = sorted({version.parent for version in versions})
        if len(datasets) > 1:
            names = ", ".join(str(dataset.relative_to(path)) for dataset in datasets)
            raise EpisodeError(f"{path}: expected one dataset, found {len(datasets)}: {names}. Give the path of one.")
        if versions:
            return max(versions, key=_version_order)
    return None


def read_rlds_directory(directory: Path) -> RldsDirectory:
    """Returns what a version directory says about its dataset.

    Raises:
      EpisodeError: If a description is unreadable, not what TFDS writes, names a file format other than TFRecord, or
        gives a split lengths that cannot be (negative, or more than ten million).
    """
    info = _read_json(directory / INFO_FILE)
    features_file = directory / FEATURES_FILE
    try:
        features = parse_features(_read_json(features_file)) if features_file.exists() else {}
    except EpisodeError as error:
        raise EpisodeError(f"{directory}: {error}") from error
    try:
        name = _text(info, "name")
        file_format = _text({"fileFormat": "tfrecord"} | info, "fileFormat")
        splits = {_text(split, "name"): _shards(directory, name, file_format, split) for split in info["splits"]}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EpisodeError(
            f"{directory / INFO_FILE} is not what TFDS writes ({type(error).__name__}: {error}). Copy it again."
        ) from error
    if file_format != "tfrecord":
        raise EpisodeError(
            f"{directory}: the file format must be tfrecord, got {file_format}. "
            "Convert it with TFDS: `convert_format --out_file_format=tfrecord`."
        )
    return RldsDirectory(name, splits, features)


def shard_name(template: str, *, dataset: str, split: str, file_format: str, index: int, count: int) -> str:
    """Returns the file name of shard `index` of `count`, its numbers at least five digits wide.

    Raises:
      ValueError: If the template asks for something that is not known here.

    Example:
      >>> shard_name(SHARD_TEMPLATE, dataset="toto", split="train", file_format="tfrecord", index=3, count=64)
      'toto-train.tfrecord-00003-of-00064'
    """
    width = max(5, len(str(count)))
    number, total = f"{index:0{width}d}", f"{count:0{width}d}"
    values = {
        "DATASET": dataset,
        "SPLIT": split,
        "FILEFORMAT": file_format,
        "SHARD_INDEX": number,
        "NUM_SHARDS": total,
        "SHARD_X_OF_Y": f"{number}-of-{total}",
    }
    unknown = set(re.findall(r"\{(\w+)\}", template)) - set(values)
    if unknown:
        raise ValueError(f"`template` may use {', '.join(values)}, got {', '.join(sorted(unknown))}.")
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)


def _shards(directory: Path, name: str, file_format: str, split: Mapping[str, Any]) -> tuple[Shard, ...]:
    template = split.get("filepathTemplate") or SHARD_TEMPLATE
    lengths = _lengths(split)
    names = [
        shard_name(template, dataset=name, split=split["name"], file_format=file_format, index=i, count=len(lengths))
        for i in range(len(lengths))
    ]
    for file in names:
        # The files lie in this folder or below it and nowhere else, whatever a description says.
        if "\0" in file or Path(file).is_absolute() or ".." in Path(file).parts or not Path(file).name:
            raise ValueError(
                f"the files of split {reprlib.repr(split['name'])} are called {reprlib.repr(file)}, which is no file's name"
            )
    return tuple(Shard(directory / file, length) for file, length in zip(names, lengths, strict=True))


def _lengths(split: Mapping[str, Any]) -> list[int]:
    """Returns how many episodes each shard of a split holds."""
    stored = split.get("shardLengths", [])
    # Protobuf's JSON writes int64 as strings, and leaves an empty list out.
    if not isinstance(stored, list) or not all(map(_is_whole_number, stored)):
        raise TypeError(
            f"the shardLengths of split {reprlib.repr(split['name'])} are {reprlib.repr(stored)}, which are no whole numbers"
        )
    lengths = [int(length) for length in stored]
    if any(length < 0 for length in lengths) or sum(lengths) > _MOST_EPISODES:
        raise ValueError(
            f"the shardLengths of split {reprlib.repr(split['name'])} are {reprlib.repr(stored)}; each is 0 or more, "
            f"and together they are at most {_MOST_EPISODES:,} episodes"
        )
    return lengths


def _is_whole_number(length: Any) -> bool:
    return isinstance(length, int | str) and re.fullmatch(r"-?\d{1,20}", str(length)) is not None


def _text(entry: Any, key: str) -> str:
    """Returns an entry that must be words: it names files, and the dataset in titles."""
    text = entry[key]
    if not isinstance(text, str) or not text:
        raise TypeError(f"'{key}' is {reprlib.repr(text)}, which is no name")
    return text


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # Brackets nested a thousand deep end in RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        raise EpisodeError(f"{path}: cannot be read as JSON ({error}). Copy or download it again.") from error


def _version_order(directory: Path) -> tuple[list[int], str]:
    # "1.10.0" is newer than "1.9.0"; a name that is no version comes first.
    is_version = re.fullmatch(r"\d+(\.\d+)*", directory.name)
    return [int(part) for part in directory.name.split(".")] if is_version else [], directory.name
