import json
from pathlib import Path

import pytest

from octoscope.episodes.rlds_directory import SHARD_TEMPLATE, find_rlds, read_rlds_directory, shard_name
from octoscope.errors import EpisodeError


def describe(version: Path, **changes: object) -> Path:
    version.mkdir(parents=True)
    split = {"name": "train", "shardLengths": ["2", "1"]}
    (version / "dataset_info.json").write_text(json.dumps({"name": "toto", "splits": [split]} | changes))
    return version


def test_version_dataset_and_folder_lead_to_the_same_place(tmp_path: Path) -> None:
    version = describe(tmp_path / "toto" / "1.0.0")
    assert find_rlds(version) == find_rlds(version.parent) == find_rlds(tmp_path) == version


def test_newest_version_by_number_not_by_letters(tmp_path: Path) -> None:
    versions = [describe(tmp_path / "toto" / name) for name in ("1.9.0", "1.10.0", "0.2.0", "incomplete.1.11.0")]
    assert find_rlds(tmp_path / "toto") == versions[1]


def test_configuration_between_name_and_version(tmp_path: Path) -> None:
    version = describe(tmp_path / "robo_net" / "robo_net_64x64" / "4.0.1")
    assert find_rlds(tmp_path) == version


def test_several_datasets_leave_the_choice_to_the_user(tmp_path: Path) -> None:
    describe(tmp_path / "toto" / "1.0.0")
    describe(tmp_path / "viola" / "1.0.0")
    with pytest.raises(EpisodeError, match=r"expected one dataset, found 2: toto, viola. Give the path of one"):
        find_rlds(tmp_path)


def test_no_dataset(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert find_rlds(tmp_path) is None
    assert find_rlds(file) is None


def test_defaults(tmp_path: Path) -> None:
    directory = read_rlds_directory(describe(tmp_path / "1.0.0"))
    assert directory.name == "toto"
    assert directory.features == {}
    assert [(shard.path.name, shard.length) for shard in directory.splits["train"]] == [
        ("toto-train.tfrecord-00000-of-00002", 2),
        ("toto-train.tfrecord-00001-of-00002", 1),
    ]


def test_other_template_and_empty_split(tmp_path: Path) -> None:
    template = "{SPLIT}/part-{SHARD_INDEX}.{FILEFORMAT}"
    splits = [{"name": "val", "filepathTemplate": template, "shardLengths": ["4"]}, {"name": "none"}]
    directory = read_rlds_directory(describe(tmp_path / "1.0.0", splits=splits))
    assert directory.splits["val"][0].path == tmp_path / "1.0.0" / "val" / "part-00000.tfrecord"
    assert directory.splits["none"] == ()


def test_shard_numbers_grow_beyond_five_digits() -> None:
    many = shard_name(SHARD_TEMPLATE, dataset="a", split="b", file_format="tfrecord", index=7, count=123_456)
    assert many == "a-b.tfrecord-000007-of-123456"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"splits": None},
        {"splits": [{"shardLengths": ["1"]}]},
        {"splits": [{"name": "train", "shardLengths": ["many"]}]},
        {"splits": [{"name": "train", "shardLengths": ["1"], "filepathTemplate": "{SHARD}"}]},
    ],
)
def test_other_descriptions(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(EpisodeError, match=r"dataset_info.json is not what TFDS writes"):
        read_rlds_directory(describe(tmp_path / "1.0.0", **changes))


def test_other_file_format(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="must be tfrecord, got array_record"):
        read_rlds_directory(describe(tmp_path / "1.0.0", fileFormat="array_record"))


@pytest.mark.parametrize("text", ["", "{", "\xff"])
def test_broken_json(tmp_path: Path, text: str) -> None:
    version = describe(tmp_path / "1.0.0")
    (version / "features.json").write_text(text, encoding="latin-1")
    with pytest.raises(EpisodeError, match=r"features.json: cannot be read as JSON"):
        read_rlds_directory(version)


def test_other_features(tmp_path: Path) -> None:
    version = describe(tmp_path / "1.0.0")
    (version / "features.json").write_text("{}")
    with pytest.raises(EpisodeError, match=r"1.0.0: features.json is not in the form"):
        read_rlds_directory(version)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"name": "train", "shardLengths": ["-1"]}, r"\['-1'\]; each is 0 or more"),
        ({"name": "train", "shardLengths": ["9" * 20]}, "at most 10,000,000 episodes"),
        ({"name": "train", "shardLengths": ["9" * 5_000]}, "no whole numbers"),
        ({"name": "train", "shardLengths": [1.5]}, "no whole numbers"),
        ({"name": "train", "shardLengths": "12"}, "no whole numbers"),
        ({"name": 3, "shardLengths": ["1"]}, "'name' is 3, which is no name"),
        ({"name": "train", "shardLengths": ["1"], "filepathTemplate": "../{SPLIT}"}, "which is no file's name"),
        ({"name": "a\0b", "shardLengths": ["1"]}, "which is no file's name"),
    ],
)
def test_lengths_and_names_that_cannot_be(tmp_path: Path, split: dict[str, object], message: str) -> None:
    (tmp_path / "dataset_info.json").write_text(json.dumps({"name": "lab", "splits": [split]}))
    with pytest.raises(EpisodeError, match=f"dataset_info.json is not what TFDS writes .*{message}"):
        read_rlds_directory(tmp_path)


def test_brackets_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("[" * 100_000)
    with pytest.raises(EpisodeError, match=r"dataset_info\.json: cannot be read as JSON"):
        read_rlds_directory(tmp_path)
