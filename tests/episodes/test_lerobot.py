import builtins
import json
from pathlib import Path

import numpy as np
import pytest
from films import COUNT, HEIGHT, WIDTH, write_video
from lerobot_files import DATA, FEATURES, WORDS, columns, picture, write_info, write_lerobot

from octoscope.episodes.lerobot.columns import is_camera
from octoscope.episodes.lerobot.directory import fill_template
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError

ROWS = {episode: columns(episode, 2 + episode, start=10 * episode) for episode in range(3)}


@pytest.mark.parametrize("version", [2, 3])
def test_every_value_of_both_layouts(tmp_path: Path, version: int) -> None:
    source = open_episodes(write_lerobot(tmp_path / "arm", version, ROWS))
    assert (source.name, source.split, source.splits, len(source)) == ("arm", "train", ("train",), 3)
    assert source.cameras == {"primary": "image"}
    for index, episode in enumerate(source):
        assert (episode.name, episode.dataset, len(episode)) == (f"arm/train/{index}", "arm", 2 + index)
        assert (episode.instruction, episode.remarks) == (WORDS[index], ())
        expected = np.stack([picture(index, step) for step in range(2 + index)])
        np.testing.assert_array_equal(episode.images["primary"], expected)
        assert episode.actions is not None
        assert (episode.actions.dtype, episode.actions.tolist()) == (
            np.float32,
            [[s, s + 1, s + 2] for s in range(2 + index)],
        )
        assert episode.extras["state"].tolist() == [[index, step] for step in range(2 + index)]
        assert episode.extras["state.gripper_position"].tolist() == [step / 2 for step in range(2 + index)]
        assert (episode.extras["next.done"].dtype, int(episode.extras["next.done"].sum())) == (bool, 1)
        assert (episode.extras["index"].dtype, episode.extras["index"][0]) == (np.int64, 10 * index)
        assert "note" not in episode.extras


def test_the_metadata_of_version_2_0_is_read_as_that_of_2_1(tmp_path: Path) -> None:
    # Statistics of the whole dataset in one file, none by episode, and what a video is under its older name.
    video = {"dtype": "video", "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channel"]}
    cameras = {
        "observation.images.top": {**video, "video_info": {"video.fps": 10.0, "video.is_depth_map": False}},
        "observation.images.far": {**video, "video_info": {"video.fps": 10.0, "video.is_depth_map": True}},
    }
    features = {name: feature for name, feature in FEATURES.items() if name != "observation.image"} | cameras
    rows = {name: values for name, values in columns(1, COUNT).items() if name != "observation.image"}
    root = write_lerobot(tmp_path, 2, {1: rows}, features=features, codebase_version="v2.0")
    (root / "meta" / "stats.json").write_text('{"action": {"mean": [0, 0, 0], "std": [1, 1, 1]}}')
    assert not (root / "meta" / "episodes_stats.jsonl").exists()
    film = root / "videos/chunk-000/observation.images.top/episode_000001.mp4"
    film.parent.mkdir(parents=True)
    write_video(film)
    (episode,) = open_episodes(root)
    assert (list(episode.images), episode.instruction, len(episode)) == (["primary"], WORDS[1], COUNT)
    assert np.abs(episode.images["primary"][5][36, 10].astype(int)[1] - 100) < 6
    assert episode.actions is not None
    assert episode.actions[2].tolist() == [2, 3, 4]


def test_rows_are_found_by_episode_and_put_in_order(tmp_path: Path) -> None:
    shuffled = {name: values[::-1] for name, values in ROWS[2].items()}
    source = open_episodes(write_lerobot(tmp_path, 3, {**ROWS, 2: shuffled}, files={0: [1], 4: [0, 2]}))
    assert [episode.extras["state"][0, 0] for episode in source] == [0, 1, 2]
    assert source[2].extras["frame_index"].tolist() == [0, 1, 2, 3]
    assert source[2].images["primary"][3, 0, 0].tolist() == [2, 3, 7]


def test_deleted_episodes_leave_a_gap(tmp_path: Path) -> None:
    source = open_episodes(
        write_lerobot(
            tmp_path, 2, {0: ROWS[0], 2: ROWS[2], 1000: columns(1000 % 256, 2) | {"episode_index": [1000] * 2}}
        )
    )
    assert [len(episode) for episode in source] == [2, 4, 2]


@pytest.mark.parametrize("column", ["task", "__index_level_0__"])
def test_the_words_column_has_two_names(tmp_path: Path, column: str) -> None:
    assert open_episodes(write_lerobot(tmp_path, 3, ROWS, words_column=column))[1].instruction == WORDS[1]


@pytest.mark.parametrize(("version", "said"), [(2, 3), (3, 2)])
def test_files_decide_and_not_the_version_or_templates_of_info(tmp_path: Path, version: int, said: int) -> None:
    root = write_lerobot(tmp_path, version, ROWS, codebase_version=f"v{said}.0", data_path=DATA[said])
    assert open_episodes(root)[2].extras["state"][0].tolist() == [2, 0]


def test_a_changing_task_is_refused_unless_words_are_given(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, 3, {0: columns(0, 4, tasks=[1, 1, 2, 2])})
    with pytest.raises(EpisodeError, match=r"changes at step 2, from 'close the drawer' to 'flip the pot'.*--task"):
        open_episodes(root)[0]
    episode = open_episodes(root, task="tidy up")[0]
    assert (len(episode), episode.instruction) == (4, "tidy up")


@pytest.mark.parametrize("version", [2, 3])
def test_a_cut_table_is_named(tmp_path: Path, version: int) -> None:
    root = write_lerobot(tmp_path, version, ROWS, lengths={1: 30})
    with pytest.raises(EpisodeError, match=r"episode 1 has 3 rows, where the index says 30"):
        open_episodes(root)[1]
    assert len(open_episodes(root)[0]) == 2


def test_pictures_beside_the_table(tmp_path: Path) -> None:
    rows = columns(0, 2)
    for step, stored in enumerate(rows["observation.image"]):
        file = tmp_path / f"images/frame_{step}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(stored["bytes"])
        stored.update(bytes=None, path=f"images/frame_{step}.png")
    frames = open_episodes(write_lerobot(tmp_path, 2, {0: rows}))[0].images["primary"]
    np.testing.assert_array_equal(frames[1], picture(0, 1))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/secret.png", "images/../../secret.png"])
def test_no_picture_outside_the_dataset_is_opened(tmp_path: Path, path: str) -> None:
    rows = columns(0, 1)
    rows["observation.image"][0].update(bytes=None, path=path)
    with pytest.raises(EpisodeError, match="names a file outside the dataset"):
        open_episodes(write_lerobot(tmp_path / "arm", 2, {0: rows}))[0]


def test_templates_fill_names_only() -> None:
    assert fill_template(DATA[2], episode_chunk=1, episode_index=1234567) == "data/chunk-001/episode_1234567.parquet"
    with pytest.raises(EpisodeError, match=r"asks for 'episode_index.__class__'"):
        fill_template("{episode_index.__class__}", episode_index=1)


def test_which_features_are_cameras() -> None:
    video = {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channel"]}
    assert is_camera("observation.images.top", video)
    assert is_camera("observation.images.top", {**video, "names": None})
    assert not is_camera("observation.images.top", {**video, "shape": [48, 64, 1]})
    assert not is_camera("observation.images.top", {**video, "info": {"is_depth_map": True}})
    assert not is_camera("observation.images.top", {**video, "info": {"video.is_depth_map": True}})
    assert not is_camera("observation.images.top", {**video, "video_info": {"video.is_depth_map": True}})
    assert not is_camera("observation.images.top_depth", video)
    assert not is_camera("observation.state", {"dtype": "float32", "shape": [3], "names": None})


def test_two_episodes_in_one_video(tmp_path: Path) -> None:
    video = {"dtype": "video", "shape": [3, HEIGHT, WIDTH], "names": ["channels", "height", "width"]}
    features = {**FEATURES, "observation.images.top": video}
    del features["observation.image"]
    key = "videos/observation.images.top"
    rows = {}
    for episode, steps in enumerate((5, 7)):
        place = {f"{key}/chunk_index": 0, f"{key}/file_index": 2, f"{key}/from_timestamp": 0.5 * episode}
        rows[episode] = {
            **{name: values for name, values in columns(episode, steps).items() if name != "observation.image"},
            **place,
        }
    root = write_lerobot(tmp_path, 3, rows, files={0: [0], 1: [1]}, features=features)
    film = root / f"{key}/chunk-000/file-002.mp4"
    film.parent.mkdir(parents=True)
    write_video(film)
    first, second = open_episodes(root)
    assert (first.images["primary"].shape, second.images["primary"].shape) == (
        (5, HEIGHT, WIDTH, 3),
        (7, HEIGHT, WIDTH, 3),
    )
    shown = np.concatenate([first.images["primary"], second.images["primary"]])
    assert np.abs(shown[:, 36, 10, 1].astype(int) - 20 * np.arange(COUNT)).max() < 6
    assert "compressed video" in first.remarks[0]
    film.unlink()
    with pytest.raises(EpisodeError, match=r"file-002.mp4: cannot be opened"):
        open_episodes(root)[0]


def test_splits_count_episode_indices(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, 2, ROWS, splits={"train": "0:2", "test": "2:3"})
    assert (len(open_episodes(root)), len(open_episodes(root, split="test")[0])) == (2, 4)
    # The only split is everything, whatever it says.
    assert len(open_episodes(write_lerobot(tmp_path, 2, ROWS, splits={"train": "0:1"}))) == 3


def test_numbers_that_are_missing_or_too_few(tmp_path: Path) -> None:
    holed = {**ROWS[0], "action": [[0.0, 1.0, None], [0.0, 1.0, 2.0]]}
    with pytest.raises(EpisodeError, match="'action' lacks 1 of its numbers"):
        open_episodes(write_lerobot(tmp_path, 2, {0: holed}))[0]
    short = {**ROWS[0], "action": [[0.0, 1.0], [0.0, 1.0]]}
    with pytest.raises(EpisodeError, match=r"'action' holds 4 numbers, where 2 steps of shape \(3,\)"):
        open_episodes(write_lerobot(tmp_path, 2, {0: short}))[0]


def test_damaged_and_older_datasets(tmp_path: Path) -> None:
    write_info(tmp_path / "bare", 2)
    with pytest.raises(EpisodeError, match=r"neither meta/episodes.jsonl .* nor meta/episodes/"):
        open_episodes(tmp_path / "bare")
    (tmp_path / "bare/meta/info.json").write_text(json.dumps({"fps": 3}))
    with pytest.raises(EpisodeError, match="is not what LeRobot writes"):
        open_episodes(tmp_path / "bare")
    (tmp_path / "old/meta_data").mkdir(parents=True)
    (tmp_path / "old/meta_data/info.json").write_text("{}")
    with pytest.raises(EpisodeError, match=r"LeRobot dataset of version 1.*convert_dataset"):
        open_episodes(tmp_path / "old")
    for lines in ('{"episode_index": 0}', '{"episode_index": 0, "length": 2}\n{"episode_ind', ""):
        root = write_lerobot(tmp_path / "index", 2, ROWS)
        (root / "meta/episodes.jsonl").write_text(lines)
        with pytest.raises(EpisodeError, match=r"episodes.jsonl is not what LeRobot writes"):
            open_episodes(root)
    root = write_lerobot(tmp_path / "cut", 2, ROWS)
    (root / "data/chunk-000/episode_000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(EpisodeError, match=r"cut/train/1: .*episode_000001.parquet: cannot be read as a parquet table"):
        open_episodes(root)[1]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path, 2, ROWS)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EpisodeError, match=r'pip install "octoscope\[parquet\]"'):
        open_episodes(root)


def test_opening_reads_the_index_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path, 2, {0: ROWS[0]})
    lines = "\n".join(json.dumps({"episode_index": index, "tasks": [], "length": 2}) for index in range(5000))
    (root / "meta/episodes.jsonl").write_text(lines)
    opened: list[str] = []
    real = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *rest, **more: opened.append(str(file)) or real(file, *rest, **more)
    )
    source = open_episodes(root)
    assert len(source) == 5000
    assert len(source[0]) == 2
    assert [name for name in opened if name.endswith(".parquet")] == []
