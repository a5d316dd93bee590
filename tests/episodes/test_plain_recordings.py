import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
import pytest
import zarr
from films import COUNT, HEIGHT, WIDTH, write_video
from PIL import Image

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.image_codec import decode_image
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError, SelectionError

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), np.uint8)


class Bomb:
    """Ends the test when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("something was unpickled",)


def write_replay(
    path: Path, *, images: np.ndarray = PICTURES, ends: tuple[int, ...] = (2, 5), **arrays: np.ndarray
) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("data/img", data=images, chunks=(2, *images.shape[1:]))
    group.create_array("data/action", data=np.arange(10, dtype=np.float32).reshape(5, 2))
    group.create_array("data/depth", data=np.zeros((5, 64, 64, 3), np.uint8))
    group.create_array("meta/episode_ends", data=np.array(ends, np.int64))
    for name, array in arrays.items():
        group.create_array(f"data/{name}", data=array)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_replay_buffers(tmp_path: Path, dtype: type) -> None:
    source = open_episodes(write_replay(tmp_path / "pusht.zarr", images=PICTURES.astype(dtype)), task="push")
    assert (source.name, source.cameras, len(source)) == ("pusht", {"primary": "img"}, 2)
    np.testing.assert_array_equal(source[1].images["primary"], PICTURES[2:])
    assert source[0].actions is not None
    assert source[0].actions.tolist() == [[0, 1], [2, 3]]
    assert (source[1].instruction, source[1].extras) == ("push", {})


@pytest.mark.parametrize("factor", [1 / 255, 1.5, np.nan])
def test_images_of_fractions_are_refused(tmp_path: Path, factor: float) -> None:
    with pytest.raises(EpisodeError, match=r"'img' of float32 must hold whole numbers in 0..255"):
        open_episodes(write_replay(tmp_path / "a.zarr", images=(PICTURES * factor).astype(np.float32)))


def test_ends_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="'action' holds 5 steps, where meta/episode_ends needs 6"):
        open_episodes(write_replay(tmp_path / "a.zarr", ends=(2, 6)))
    with pytest.raises(EpisodeError, match="must grow from above 0"):
        open_episodes(write_replay(tmp_path / "b.zarr", ends=(3, 3)))
    episode = open_episodes(write_replay(tmp_path / "c.zarr", ends=(2, 4)))[1]
    assert episode.remarks == ("The last 1 steps stored belong to no finished episode and are left out.",)


def test_codecs_that_unpickle_or_are_not_there(tmp_path: Path) -> None:
    path = write_replay(tmp_path / "a.zarr")
    meta = json.loads((path / "data/action/.zarray").read_text())
    meta.update(filters=[{"id": "pickle", "protocol": 5}], compressor=None)
    (path / "data/action/.zarray").write_text(json.dumps(meta))
    for chunk in (path / "data/action").iterdir():
        if not chunk.name.startswith("."):
            chunk.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(EpisodeError, match="stored as pickles, which are never opened"):
        open_episodes(path)[0]
    meta.update(filters=None, compressor={"id": "imagecodecs_jpegxl"})
    (path / "data/action/.zarray").write_text(json.dumps(meta))
    assert "imagecodecs_jpegxl" not in numcodecs.registry.codec_registry
    with pytest.raises(EpisodeError, match="imagecodecs"):
        open_episodes(path)[0]


def write_calvin(folder: Path, spans: list[tuple[int, int]]) -> Path:
    folder.mkdir(parents=True)
    for first, last in spans:
        for number in range(first, last + 1):
            np.savez(
                folder / f"episode_{number:07d}.npz",
                rgb_static=PICTURES[number % 5],
                rgb_gripper=PICTURES[number % 5, :4],
                rgb_tactile=np.zeros((8, 10, 6), np.uint8),
                depth_static=np.zeros((64, 64), np.float32),
                actions=np.full(7, number, np.float64),
                rel_actions=np.full(7, -number, np.float64),
                robot_obs=np.zeros(15),
            )
    np.save(folder / "ep_start_end_ids.npy", np.array(spans))
    words = folder / "lang_annotations/auto_lang_ann.npy"
    words.parent.mkdir()
    np.save(words, np.array({"language": Bomb()}, object), allow_pickle=True)
    return folder


def test_calvin_counts_both_ends_and_opens_no_pickle(tmp_path: Path) -> None:
    folder = write_calvin(tmp_path / "task_D_D/training", [(5, 7), (100, 101)])
    write_calvin(tmp_path / "task_D_D/validation", [(9, 9)])
    source = open_episodes(tmp_path / "task_D_D")
    assert (source.name, source.split, source.splits) == ("task_D_D", "training", ("training", "validation"))
    assert [len(episode) for episode in source] == [3, 2]
    episode = source[1]
    np.testing.assert_array_equal(episode.images["primary"], PICTURES[[0, 1]])
    np.testing.assert_array_equal(episode.images["wrist"], PICTURES[[0, 1], :4])
    assert episode.actions is not None
    assert (episode.actions[:, 0].tolist(), episode.extras["actions"][:, 0].tolist()) == ([-100, -101], [100, 101])
    assert sorted(episode.extras) == ["actions", "robot_obs"]
    assert "pickled" in episode.remarks[0]
    (folder / "lang_annotations/auto_lang_ann.json").write_text(
        json.dumps({"indx": [[6, 7]], "ann": ["push the block"]})
    )
    annotated = open_episodes(folder)
    assert [(len(each), each.instruction, each.remarks) for each in annotated] == [(2, "push the block", ())]
    (folder / "episode_0000006.npz").unlink()
    with pytest.raises(EpisodeError, match=r"episode_0000006.npz: cannot be read"):
        annotated[0]


def test_calvin_is_found_without_listing_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_calvin(tmp_path / "training", [(5, 7)])
    monkeypatch.setattr("os.listdir", lambda *_: pytest.fail("listed"))
    monkeypatch.setattr("os.scandir", lambda *_: pytest.fail("listed"))
    assert len(open_episodes(folder)[0]) == 3


def save(picture: np.ndarray | Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)


def test_folders_of_pictures_in_natural_order(tmp_path: Path) -> None:
    for step, number in enumerate((1, 2, 9, 10, 11)):
        save(PICTURES[step], tmp_path / f"primary/frame_{number}.png")
        save(PICTURES[step, :4], tmp_path / f"hand_image/frame_{number}.png")
    (tmp_path / "primary/._frame_1.png").write_bytes(b"macOS")
    (tmp_path / "instruction.txt").write_text("\ufeff\n put the carrot away \n")
    source = open_episodes(tmp_path)
    assert source.cameras == {"primary": "primary", "wrist": "hand_image"}
    episode = source[0]
    np.testing.assert_array_equal(episode.images["primary"], PICTURES)
    np.testing.assert_array_equal(episode.images["wrist"], PICTURES[:, :4])
    assert (episode.instruction, episode.actions) == ("put the carrot away", None)
    (tmp_path / "hand_image/frame_11.png").unlink()
    with pytest.raises(EpisodeError, match="primary has 5, hand_image has 4"):
        source[0]


def test_kinds_of_pictures(tmp_path: Path) -> None:
    rgb = Image.fromarray(PICTURES[0])
    rgba = rgb.copy()
    rgba.putalpha(7)
    palette = rgb.quantize(16)
    turned = Image.Exif()
    turned[0x0112] = 6
    save(rgba, tmp_path / "alpha/1.png")
    save(palette, tmp_path / "palette/1.png")
    save(rgb.convert("L"), tmp_path / "grey/1.png")
    save(rgb, tmp_path / "lying/1.png", exif=turned)
    save(rgb, tmp_path / "jpeg/1.jpg", quality=60)
    first = {
        name: open_episodes(tmp_path / name)[0].images["primary"][0] for name in ("alpha", "palette", "grey", "lying")
    }
    np.testing.assert_array_equal(first["alpha"], PICTURES[0])
    np.testing.assert_array_equal(first["palette"], np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(first["grey"], np.asarray(rgb.convert("L").convert("RGB")))
    np.testing.assert_array_equal(first["lying"], np.rot90(PICTURES[0], -1))
    # As those that recorded it decode it, and not as TensorFlow does.
    jpeg = open_episodes(tmp_path / "jpeg")[0].images["primary"][0]
    np.testing.assert_array_equal(jpeg, np.asarray(Image.open(tmp_path / "jpeg/1.jpg")))
    assert not np.array_equal(jpeg, decode_image((tmp_path / "jpeg/1.jpg").read_bytes()))
    save(Image.fromarray(PICTURES[0, :, :, 0].astype(np.uint16) * 256), tmp_path / "deep/1.png")
    with pytest.raises(EpisodeError, match=r"deep/1.png: a picture must have 8 bits a channel, got a PNG with 16"):
        open_episodes(tmp_path / "deep")[0].images["primary"][0]
    save(PICTURES[0], tmp_path / "sizes/1.png")
    save(PICTURES[0, :4], tmp_path / "sizes/2.png")
    with pytest.raises(
        EpisodeError,
        match=r"2.png: pictures of a camera must have one \(height, width\), got \(4, 10\) after \(8, 10\)",
    ):
        open_episodes(tmp_path / "sizes")[0]
    (tmp_path / "sizes/2.png").write_bytes(b"text")
    with pytest.raises(EpisodeError, match=r"2.png: cannot be read as a PNG or JPEG picture"):
        open_episodes(tmp_path / "sizes")[0]


def test_bridges_pictures_without_its_pickles(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        trajectory = tmp_path / f"raw/traj_group0/traj{number}"
        save(PICTURES[0], trajectory / "images0/im_0.png")
        save(PICTURES[1], trajectory / "depth_images0/im_0.png")
        (trajectory / "lang.txt").write_text(f"confidence: 0.5\nput {number} on plate\nconfidence: 1.0\n")
        (trajectory / "obs_dict.pkl").write_bytes(pickle.dumps(Bomb()))
    source = open_episodes(tmp_path)
    assert source.cameras == {"primary": "images0"}
    assert [episode.instruction for episode in source] == ["put 0 on plate", "put 2 on plate", "put 10 on plate"]
    assert "pickled (obs_dict.pkl)" in source[0].remarks[0]


def test_videos(tmp_path: Path) -> None:
    file = write_video(tmp_path / "front.mp4")
    (tmp_path / "front.txt").write_text("flip the pot")
    alone = open_episodes(file)[0]
    assert (alone.name, alone.instruction, alone.images["primary"].shape) == (
        "front/all/0",
        "flip the pot",
        (COUNT, HEIGHT, WIDTH, 3),
    )
    write_video(tmp_path / "wrist.mkv")
    (tmp_path / "instruction.txt").write_text("close the drawer")
    both = open_episodes(tmp_path)
    assert (both.cameras, both[0].instruction) == ({"primary": "front", "wrist": "wrist"}, "close the drawer")
    np.testing.assert_array_equal(both[0].images["primary"], alone.images["primary"])


def write_droid(folder: Path, *, steps: int) -> Path:
    (folder / "recordings/MP4").mkdir(parents=True)
    serials = {"ext1": "22", "wrist": "11"}
    for serial in serials.values():
        write_video(folder / f"recordings/MP4/{serial}.mp4")
    write_video(folder / "recordings/MP4/11-stereo.mp4")
    facts = {f"{role}_cam_serial": serial for role, serial in serials.items()}
    (folder / "metadata_x.json").write_text(json.dumps({**facts, "current_task": "Move object"}))
    with h5py.File(folder / "trajectory.h5", "w") as file:
        file["action/cartesian_position"] = np.zeros((steps, 6))
        file["observation/robot_state/gripper_position"] = np.zeros(steps)
        file["observation/timestamp/skip_action"] = np.zeros(steps, bool)
    return folder


def test_droid_goes_by_roles_and_is_cut_to_what_all_have(tmp_path: Path) -> None:
    write_droid(tmp_path / "LAB/success/2023/traj", steps=COUNT - 2)
    source = open_episodes(tmp_path)
    assert source.cameras == {"primary": "ext1", "wrist": "wrist"}
    episode = source[0]
    assert (len(episode), episode.images["wrist"].shape[0], episode.instruction) == (
        COUNT - 2,
        COUNT - 2,
        "Move object",
    )
    assert sorted(episode.extras) == ["action/cartesian_position", "gripper_position", "skip_action"]
    assert f"Cut to the {COUNT - 2} steps that all have: trajectory.h5 {COUNT - 2}, ext1 {COUNT}" in episode.remarks[-1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("log.mcap", "Convert it to LeRobot"),
        ("log.bag", "Convert it to LeRobot"),
        ("a.pkl", "never opened. Convert it"),
        ("model.pt", "pickles and never opened"),
        ("a.svo2", "Convert them to MP4"),
        ("x-train.tfrecord-00000-of-00001", "Give the directory of the whole dataset"),
        ("x.parquet", "Give the directory of the whole dataset"),
        ("notes.md", "if it belongs to a dataset, give the directory"),
    ],
)
def test_what_is_not_read_is_named_with_a_way_out(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(EpisodeError, match=f"expected an RLDS dataset .*found a file of .*{said}"):
        open_episodes(tmp_path / name)
    if name != "notes.md":
        with pytest.raises(EpisodeError, match=f"found a directory with {name}: .*{said}"):
            open_episodes(tmp_path)


def test_a_run_is_no_recording(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "run.zarr", mode="w").create_group("attention")
    with pytest.raises(EpisodeError, match="found a run of octoscope"):
        open_episodes(tmp_path / "run.zarr")


def test_options_that_cannot_be() -> None:
    with pytest.raises(SelectionError, match="`turn` must be one of none, flip, 180, got '90'"):
        open_episodes("drawn", turn="90")
    with pytest.raises(SelectionError, match="`task` must have words"):
        open_episodes("drawn", task=" ")
    with pytest.raises(EpisodeError, match=r"no episode drawn.*: the episodes are"):
        open_episodes("drawn", task="lift")[99]


def test_words_and_turns_hold_for_rlds_too() -> None:
    plain, changed = (
        open_episodes("drawn")[0],
        open_episodes("drawn", task="lift it", turn="180", swap_red_blue=True)[0],
    )
    for camera, frames in plain.images.items():
        np.testing.assert_array_equal(changed.images[camera], np.asarray(frames)[:, ::-1, ::-1, ::-1])
    assert changed.instruction == "lift it"
    assert changed.remarks == ("As asked, frames are turned by 180 degrees and red and blue are exchanged.",)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            ["robot0_eye_in_hand_image", "agentview_image"],
            {"primary": "agentview_image", "wrist": "robot0_eye_in_hand_image"},
        ),
        (["top", "wrist"], {"primary": "top", "wrist": "wrist"}),
        (["laptop", "wrist"], {"primary": "laptop", "wrist": "wrist"}),
        (["wrist_image"], {"wrist": "wrist_image"}),
        (["image_1"], {"primary": "image_1"}),
        (["primary", "hand_image", "other"], {"primary": "primary", "wrist": "hand_image"}),
    ],
)
def test_cameras_by_well_known_names(keys: list[str], expected: dict[str, str]) -> None:
    assert choose_cameras("my_robot", keys) == expected


def test_no_main_camera_among_several_is_refused() -> None:
    with pytest.raises(EpisodeError, match="several images"):
        choose_cameras("my_robot", ["left", "right", "wrist"])
