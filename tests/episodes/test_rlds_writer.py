import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds import open_rlds
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.episodes.tf_example import parse_example
from octoscope.episodes.tfrecord import read_record, scan_tfrecord
from octoscope.errors import OutputError

Maker = Callable[..., Episode]


def assert_same(read: Episode, written: Episode) -> None:
    assert read.instruction == written.instruction
    assert list(read.images) == list(written.images)
    for camera, images in written.images.items():
        np.testing.assert_array_equal(read.images[camera], images)
    np.testing.assert_array_equal(read.actions, written.actions)
    assert set(read.extras) == set(written.extras)
    for extra, array in written.extras.items():
        np.testing.assert_array_equal(read.extras[extra], array)
        assert read.extras[extra].dtype == array.dtype


def test_what_is_written_is_read_back(tmp_path: Path, make_episode: Maker) -> None:
    episodes = {"train": [make_episode(0), make_episode(1, steps=1, instruction="")], "val": [make_episode(2, steps=5)]}
    version = write_rlds(tmp_path, name="lab", episodes=episodes, version="1.2.3")
    assert version == tmp_path / "lab" / "1.2.3"
    for split, written in episodes.items():
        source = open_rlds(tmp_path, split=split)
        assert source is not None
        assert len(source) == len(written)
        for index, episode in enumerate(written):
            assert_same(source[index], episode)
            assert source[index].name == f"lab/{split}/{index}"
            assert source[index].dataset == "lab"


@pytest.mark.parametrize("dtype", ["bool", "float16", "int8", "int64", "uint16", "uint32"])
def test_exact_dtypes(tmp_path: Path, make_episode: Maker, dtype: str) -> None:
    limits = {"b": [0, 1], "f": [-65504, 65504]}
    kind = np.dtype(dtype).kind
    values = limits[kind] if kind in limits else [np.iinfo(dtype).min, np.iinfo(dtype).max]
    episode = make_episode(steps=2, extras={"x": np.array(values, dtype)}, actions=None)
    write_rlds(tmp_path, name="lab", episodes={"train": [episode]})
    source = open_rlds(tmp_path)
    assert source is not None
    assert_same(source[0], episode)


def test_equal_episodes_give_equal_bytes(tmp_path: Path, make_episode: Maker) -> None:
    versions = [write_rlds(tmp_path / name, name="lab", episodes={"train": [make_episode()]}) for name in "ab"]
    for file in ("lab-train.tfrecord-00000-of-00001", "features.json", "dataset_info.json"):
        assert (versions[0] / file).read_bytes() == (versions[1] / file).read_bytes()


def test_layout_is_that_of_tfds(tmp_path: Path, make_episode: Maker) -> None:
    version = write_rlds(tmp_path, name="lab", episodes={"train": [make_episode()]}, description="Noise.")
    file = version / "lab-train.tfrecord-00000-of-00001"
    (span,) = scan_tfrecord(file)
    info = json.loads((version / "dataset_info.json").read_text())
    assert info == {
        "citation": "",
        "description": "Noise.",
        "fileFormat": "tfrecord",
        "name": "lab",
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": "train",
                "numBytes": str(span.length),
                "shardLengths": ["1"],
            }
        ],
        "version": "1.0.0",
    }
    example = parse_example(read_record(file, span))
    assert sorted(example) == [
        "steps/action",
        "steps/is_first",
        "steps/is_last",
        "steps/is_terminal",
        "steps/language_instruction",
        "steps/observation/contact",
        "steps/observation/gripper/closed",
        "steps/observation/image_primary",
        "steps/observation/image_wrist",
        "steps/observation/state",
        "steps/reward",
    ]
    assert np.asarray(example["steps/is_first"]).tolist() == [1, 0, 0]
    assert np.asarray(example["steps/is_last"]).tolist() == [0, 0, 1]
    assert example["steps/language_instruction"] == [b"lift the cup"] * 3


def test_earlier_result_is_kept(tmp_path: Path, make_episode: Maker) -> None:
    write_rlds(tmp_path, name="lab", episodes={"train": [make_episode()]})
    with pytest.raises(OutputError, match=r"exists. Remove it, or give another version"):
        write_rlds(tmp_path, name="lab", episodes={"train": [make_episode()]})
    write_rlds(tmp_path, name="lab", episodes={"train": [make_episode(1)]}, version="1.0.1")
    source = open_rlds(tmp_path)
    assert source is not None
    assert_same(source[0], make_episode(1))


@pytest.mark.parametrize("dtype", ["float64", "uint64", "complex64"])
def test_dtype_that_would_lose_precision(tmp_path: Path, make_episode: Maker, dtype: str) -> None:
    episode = make_episode(extras={"x": np.zeros(3, dtype)})
    with pytest.raises(TypeError, match=f"got steps/observation/x of {dtype}"):
        write_rlds(tmp_path, name="lab", episodes={"train": [episode]})
    assert list(tmp_path.iterdir()) == []


def test_extra_of_another_length(tmp_path: Path, make_episode: Maker) -> None:
    episode = make_episode(extras={"x": np.zeros(4, np.float32)}, name="lab/0")
    with pytest.raises(ValueError, match="must hold 3 steps of steps/observation/x in lab/0, got 4"):
        write_rlds(tmp_path, name="lab", episodes={"train": [episode]})


def test_episodes_that_hold_different_things(tmp_path: Path, make_episode: Maker) -> None:
    other = dataclasses.replace(make_episode(), actions=None)
    with pytest.raises(ValueError, match="got another steps/action in val/0"):
        write_rlds(tmp_path, name="lab", episodes={"train": [make_episode()], "val": [other]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "My Lab"}, "`name` must have the form"),
        ({"name": "../lab"}, "`name` must have the form"),
        ({"version": "1.0"}, "`version` must have the form"),
        ({"episodes": {}}, "at least one split"),
        ({"episodes": {"train": []}}, "at least one episode in each split, got none in 'train'"),
        ({"episodes": {"a/b": []}}, "splits of the form"),
    ],
)
def test_names_and_empty_splits(tmp_path: Path, make_episode: Maker, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_rlds(tmp_path, **({"name": "lab", "episodes": {"train": [make_episode()]}} | changes))
