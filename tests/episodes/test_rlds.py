import collections
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.rlds import open_rlds
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.episodes.tf_example import encode_example
from octoscope.episodes.tfrecord import read_record, scan_tfrecord, write_tfrecord
from octoscope.errors import EpisodeError

SHARD = "lab-train.tfrecord-00000-of-00001"


@pytest.fixture
def dataset(tmp_path: Path, make_episode: Callable[..., Episode]) -> Path:
    """Three episodes of 2, 3 and 4 steps."""
    episodes = [make_episode(seed, steps=seed + 2) for seed in range(3)]
    return write_rlds(tmp_path, name="lab", episodes={"train": episodes})


def open_it(path: Path, **choice: object) -> EpisodeSource:
    source = open_rlds(path, **choice)
    assert source is not None
    return source


def edit_info(dataset: Path, **changes: object) -> None:
    file = dataset / "dataset_info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def payloads(file: Path) -> list[bytes]:
    return [read_record(file, span) for span in scan_tfrecord(file)]


def test_episodes_by_index_and_in_order(dataset: Path) -> None:
    source = open_it(dataset)
    assert len(source) == 3
    assert [len(source[index]) for index in (2, 0, 1)] == [4, 2, 3]
    assert [episode.name for episode in source] == ["lab/train/0", "lab/train/1", "lab/train/2"]


def test_two_shards(dataset: Path) -> None:
    first, *rest = payloads(dataset / SHARD)
    (dataset / SHARD).unlink()
    write_tfrecord(dataset / "lab-train.tfrecord-00000-of-00002", [first])
    write_tfrecord(dataset / "lab-train.tfrecord-00001-of-00002", rest)
    edit_info(dataset, splits=[{"name": "train", "shardLengths": ["1", "2"]}])
    assert [len(episode) for episode in open_it(dataset)] == [2, 3, 4]


def test_missing_shard_matters_only_when_it_is_read(dataset: Path) -> None:
    shutil.move(dataset / SHARD, dataset / "lab-train.tfrecord-00001-of-00002")
    edit_info(dataset, splits=[{"name": "train", "shardLengths": ["1", "3"]}])
    source = open_it(dataset)
    assert len(source[3]) == 4
    with pytest.raises(EpisodeError, match="00000-of-00002: cannot be read"):
        source[0]


@pytest.mark.parametrize("index", [-4, 3])
def test_unknown_episode(dataset: Path, index: int) -> None:
    with pytest.raises(EpisodeError, match=rf"no episode lab/train/{index}: the episodes are 0\.\.2\."):
        open_it(dataset)[index]


def test_empty_split(dataset: Path) -> None:
    edit_info(dataset, splits=[{"name": "train"}])
    source = open_it(dataset)
    assert list(source) == []
    with pytest.raises(EpisodeError, match="the split holds no episodes"):
        source[0]


def test_without_features_file_shapes_are_inferred(dataset: Path) -> None:
    whole = open_it(dataset)[1]
    (dataset / "features.json").unlink()
    source = open_it(dataset)
    assert source.cameras == {"primary": "image_primary", "wrist": "image_wrist"}
    inferred = source[1]
    np.testing.assert_array_equal(inferred.images["primary"], whole.images["primary"])
    np.testing.assert_array_equal(inferred.actions, whole.actions)
    # The shape (2, 3) of one state cannot be known.
    np.testing.assert_array_equal(inferred.extras["state"], whole.extras["state"].reshape(3, 6))


def test_without_features_file_an_empty_split_has_no_cameras_to_find(dataset: Path) -> None:
    (dataset / "features.json").unlink()
    edit_info(dataset, splits=[{"name": "train"}])
    with pytest.raises(EpisodeError, match="no episode lab/train/0: the split holds no episodes"):
        open_rlds(dataset)


def test_chosen_camera_only(dataset: Path) -> None:
    source = open_it(dataset, cameras={"primary": "image_wrist"})
    assert source.cameras == {"primary": "image_wrist"}
    assert list(source[0].images) == ["primary"]
    assert source[0].images["primary"].shape == (2, 4, 4, 3)
    with pytest.raises(EpisodeError, match=r"Did you mean 'image_wrist'\?"):
        open_rlds(dataset, cameras={"wrist": "image_wirst"})


def test_other_number_of_records_than_described(dataset: Path) -> None:
    edit_info(dataset, splits=[{"name": "train", "shardLengths": ["5"]}])
    with pytest.raises(EpisodeError, match=r"expected 5 episodes \(dataset_info.json\), found 3"):
        open_it(dataset)[4]


def test_damaged_message_is_placed(dataset: Path) -> None:
    write_tfrecord(dataset / SHARD, [b"\x0a\x7f"])
    edit_info(dataset, splits=[{"name": "train", "shardLengths": ["1"]}])
    with pytest.raises(EpisodeError, match=f"{SHARD}, byte 12: damaged message"):
        open_it(dataset)[0]


def test_damaged_payload_is_placed_once(dataset: Path) -> None:
    damaged = bytearray((dataset / SHARD).read_bytes())
    damaged[40] ^= 1
    (dataset / SHARD).write_bytes(damaged)
    with pytest.raises(EpisodeError) as raised:
        open_it(dataset)[0]
    assert str(raised.value).count(SHARD) == 1


def test_values_that_do_not_fit_name_the_episode(dataset: Path) -> None:
    write_tfrecord(dataset / SHARD, [encode_example({"steps/action": np.ones(8, np.float32), "steps/x": [b"", b""]})])
    edit_info(dataset, splits=[{"name": "train", "shardLengths": ["1"]}])
    with pytest.raises(EpisodeError, match=r"lab/train/0: 'steps/action' holds 8 stored values"):
        open_it(dataset)[0]


def test_no_rlds_dataset(tmp_path: Path) -> None:
    assert open_rlds(tmp_path) is None


def test_real_dataset(real_dataset: Path) -> None:
    train = open_it(real_dataset)
    val = open_it(real_dataset.parent, split="val")
    assert (train.name, train.split, train.splits) == ("bridge_dataset", "train", ("train", "val"))
    assert train.cameras == {"primary": "image_0", "secondary": "image_1"}
    assert len(train) == len(val) == 25
    counts = collections.Counter(episode.instruction for episode in train)
    assert counts == {
        "put carrot on plate": 8,
        "put cup from counter or drying rack into sink": 6,
        "turn lever vertical to front": 6,
        "flip pot upright which is in sink": 5,
    }
    for episode in train:
        assert len(episode) == 10
        assert episode.images["primary"].shape == (10, 64, 64, 3)
        assert 80 < episode.images["primary"].mean() < 150
        assert episode.actions is not None
        assert episode.actions.shape == (10, 7)
        assert episode.extras["state"].shape == (10, 7)
        assert episode.extras["language_embedding"].shape == (10, 512)


def test_real_splits_hold_the_same_episodes_in_another_order(real_dataset: Path) -> None:
    def contents(split: str) -> list[bytes]:
        return [
            episode.images["primary"].tobytes() + (b"" if episode.actions is None else episode.actions.tobytes())
            for episode in open_it(real_dataset, split=split)
        ]

    train, val = contents("train"), contents("val")
    assert sorted(train) == sorted(val)
    assert train != val
    assert len(set(train)) == 25


def test_real_last_camera_is_black(real_dataset: Path) -> None:
    images = open_it(real_dataset, cameras={"primary": "image_3"})[24].images["primary"]
    assert images.shape == (10, 64, 64, 3)
    assert not images.any()


def test_real_dataset_without_features_file(real_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "1.0.0"
    shutil.copytree(real_dataset, copy, ignore=shutil.ignore_patterns("features.json", "*-val*"))
    declared, inferred = open_it(real_dataset)[7], open_it(copy)[7]
    assert inferred.instruction == declared.instruction
    assert {name: array.shape for name, array in inferred.extras.items()} == {
        name: array.shape for name, array in declared.extras.items()
    }
    np.testing.assert_array_equal(inferred.actions, declared.actions)
    np.testing.assert_array_equal(inferred.images["secondary"], declared.images["secondary"])
