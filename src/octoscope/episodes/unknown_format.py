"""What is said of a path that no reader takes: what was expected, what lies there, and what to convert it to."""

import itertools
import os
from pathlib import Path

_LISTED = 5
_LOOKED_AT = 10_000
_CONVERT = "Convert it to LeRobot (version 2 or 3) or to robomimic's HDF5."

# By ending: what it is, and what to do.
_KNOWN_ENDINGS = {
    ".mcap": f"ROS or MCAP logs, whose topics and clocks have to be chosen for each robot. {_CONVERT}",
    ".bag": f"ROS bags, whose topics and clocks have to be chosen for each robot. {_CONVERT}",
    ".db3": f"ROS 2 bags, whose topics and clocks have to be chosen for each robot. {_CONVERT}",
    ".pkl": f"pickles, which can run any program and are never opened. {_CONVERT}",
    ".pickle": f"pickles, which can run any program and are never opened. {_CONVERT}",
    ".pt": f"PyTorch files, which are pickles and never opened. {_CONVERT}",
    ".pth": f"PyTorch files, which are pickles and never opened. {_CONVERT}",
    ".svo": "ZED recordings. Convert them to MP4 with the ZED SDK.",
    ".svo2": "ZED recordings. Convert them to MP4 with the ZED SDK.",
    ".tfrecord": "TFRecords without the dataset_info.json that says what they hold. Give the directory of the whole dataset.",
    ".array_record": "ArrayRecords. Convert them with TFDS: `convert_format --out_file_format=tfrecord`.",
    ".parquet": "tables without a LeRobot dataset's meta/info.json. Give the directory of the whole dataset.",
    ".arrow": f"tables of Hugging Face datasets, as LeRobot's version 1 has them. {_CONVERT}",
    ".npz": f"NumPy archives of no known dataset. {_CONVERT}",
    ".npy": f"NumPy arrays of no known dataset. {_CONVERT}",
    ".gif": "GIF pictures. Convert them to a video: ffmpeg -i IN.gif OUT.mp4",
}


def expected_formats() -> str:
    """Returns the formats that are read, for a message."""
    return (
        "an RLDS dataset (a directory with dataset_info.json, or a folder above it), a LeRobot dataset (meta/info.json), HDF5 "
        "demonstrations (robomimic, MimicGen, LIBERO, ALOHA), a replay buffer (.zarr, .zarr.zip), DROID or CALVIN as recorded, a "
        "video, or a folder of pictures"
    )


def explain_unknown(location: Path) -> str:
    """Returns the message for a path that holds none of them."""
    return f"{location}: expected {expected_formats()}, found {_describe(location)}"


def _describe(location: Path) -> str:
    if not location.is_dir():
        ending = _known_ending([location.name])
        size = f"a file of {location.stat().st_size} bytes"
        return f"{size}: {ending}" if ending else f"{size}; if it belongs to a dataset, give the directory it lies in."
    with os.scandir(location) as entries:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in itertools.islice(entries, _LOOKED_AT))
    if not names:
        return "an empty directory."
    if "zarr.json" in names and "attention/" in names:
        return "a run of octoscope, which is what is made from episodes. Give the dataset that it was made from."
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    listed = f"a directory with {', '.join(names[:_LISTED])}{rest}"
    ending = _known_ending(names)
    return f"{listed}: {ending}" if ending else f"{listed}."


def _known_ending(names: list[str]) -> str:
    # Shards are called NAME.tfrecord-00000-of-00001.
    endings = (ending for ending in _KNOWN_ENDINGS for name in names if name.endswith(ending) or f"{ending}-" in name)
    ending = next(endings, None)
    return "" if ending is None else _KNOWN_ENDINGS[ending]
