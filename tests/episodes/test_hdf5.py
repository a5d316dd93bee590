import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 8, 10, 3), np.uint8)


def write_demo(data: Any, name: str, *, images: np.ndarray = PICTURES, words: str = "", **obs: Any) -> Any:
    demo = data.create_group(name)
    demo.attrs["num_samples"] = len(images)
    if words:
        demo.attrs["ep_meta"] = json.dumps({"lang": words, "layout_id": 1})
    demo["actions"] = np.arange(7.0 * len(images)).reshape(-1, 7)
    demo["states"] = np.zeros((len(images), 5))
    demo["next_obs/agentview_image"] = images
    for key, array in {"agentview_image": images, "robot0_eef_pos": np.ones((len(images), 3)), **obs}.items():
        demo[f"obs/{key}"] = array
    return demo


@pytest.fixture
def demos(tmp_path: Path) -> Callable[..., Path]:
    def write(change: Callable[[Any], None] = lambda file: None, *, name: str = "demo.hdf5") -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            data = file.create_group("data")
            for number in (0, 2, 10):
                write_demo(data, f"demo_{number}", words=f"task {number}")
            change(file)
        return tmp_path / name

    return write


def test_demonstrations_in_natural_order(demos: Callable[..., Path]) -> None:
    source = open_episodes(demos())
    assert (source.name, source.splits, source.cameras) == ("demo", ("all",), {"primary": "agentview_image"})
    assert [episode.instruction for episode in source] == ["task 0", "task 2", "task 10"]
    episode = source[1]
    assert episode.name == "demo/all/1"
    np.testing.assert_array_equal(episode.images["primary"], PICTURES)
    np.testing.assert_array_equal(episode.actions, np.arange(28.0).reshape(4, 7))
    assert sorted(episode.extras) == ["robot0_eef_pos", "states"]


def test_masks_are_splits(demos: Callable[..., Path]) -> None:
    def mask(file: Any) -> None:
        file["mask/train"] = np.array([b"demo_10", b"demo_0"])
        file["mask/valid"] = np.array([b"demo_0", b"demo_2"])

    path = demos(mask)
    assert [episode.instruction for episode in open_episodes(path)] == ["task 0", "task 10"]
    assert open_episodes(path).splits == ("train", "valid")
    assert [episode.instruction for episode in open_episodes(path, split="valid")] == ["task 0", "task 2"]
    with pytest.raises(EpisodeError, match="split 'train' names demo_7, which is not among its 3"):
        open_episodes(demos(lambda file: file.create_dataset("mask/train", data=[b"demo_7"])))


def test_pictures_are_colour_and_of_8_bits(demos: Callable[..., Path]) -> None:
    def depth(file: Any) -> None:
        obs = file["data/demo_0/obs"]
        obs["agentview_depth"] = np.zeros((4, 64, 64, 1), np.float32)
        obs["other_depth"] = PICTURES

    episode = open_episodes(demos(depth))[0]
    assert (list(episode.images), sorted(episode.extras)) == (["primary"], ["robot0_eef_pos", "states"])

    def as_floats(file: Any) -> None:
        for demo in file["data"].values():
            del demo["obs/agentview_image"]
            demo["obs/agentview_image"] = PICTURES / 255

    with pytest.raises(
        EpisodeError, match=r"must be uint8 of three channels, got agentview_image float64 \(4, 8, 10, 3\)"
    ):
        open_episodes(demos(as_floats))

    def without(file: Any) -> None:
        for demo in file["data"].values():
            del demo["obs/agentview_image"]

    with pytest.raises(
        EpisodeError, match=r"holds no images, only states. Make them with robomimic's dataset_states_to_obs"
    ):
        open_episodes(demos(without))


def test_libero_says_its_words_and_that_it_lies_upside_down(demos: Callable[..., Path]) -> None:
    def libero(words: Any) -> Callable[[Any], None]:
        def change(file: Any) -> None:
            file["data"].attrs["macros_image_convention"] = "opengl"
            file["data"].attrs["problem_info"] = json.dumps({"language_instruction": words})
            for demo in file["data"].values():
                del demo.attrs["ep_meta"]

        return change

    for words in ("flip the pot", list("flip the pot"), ["flip", "the", "pot"]):
        episode = open_episodes(demos(libero(words)))[0]
        assert episode.instruction == "flip the pot"
    assert "upside down" in episode.remarks[0]
    path = demos(libero("flip the pot"))
    for turn, expected in {"flip": PICTURES[:, ::-1], "180": PICTURES[:, ::-1, ::-1]}.items():
        turned = open_episodes(path, turn=turn)[0]
        np.testing.assert_array_equal(turned.images["primary"], expected)
        assert not any("upside down" in remark for remark in turned.remarks)


def test_a_folder_of_files_is_one_dataset(demos: Callable[..., Path], tmp_path: Path) -> None:
    demos(name="a_2.hdf5")
    demos(name="a_10.hdf5")
    source = open_episodes(tmp_path)
    assert (source.name, len(source)) == (tmp_path.name, 6)


def test_lengths_that_differ(demos: Callable[..., Path]) -> None:
    def cut(file: Any) -> None:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions"] = np.zeros((3, 7))

    with pytest.raises(
        EpisodeError,
        match=r"demo/all/1: .*demo_2: .* same number of steps, but the actions has 3",
    ):
        open_episodes(demos(cut))[1]


def test_frames_are_read_when_asked_for_and_compressed_ones_too(demos: Callable[..., Path]) -> None:
    def squeeze(file: Any) -> None:
        for demo in file["data"].values():
            del demo["obs/agentview_image"]
            demo["obs"].create_dataset("agentview_image", data=PICTURES, compression="gzip", chunks=(3, 4, 5, 3))

    frames = open_episodes(demos(squeeze))[0].images["primary"]
    np.testing.assert_array_equal(frames[3], PICTURES[3])
    np.testing.assert_array_equal(frames, PICTURES)


OUTSIDE = "is a link into another file|keeps its numbers in other files"


@pytest.mark.parametrize("kind", ["external link", "soft link to an external one", "external storage", "virtual"])
def test_nothing_outside_the_file_is_read(demos: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["frames"] = PICTURES
    (tmp_path / "secret.bin").write_bytes(PICTURES.tobytes())

    def lead_out(file: Any) -> None:
        obs = file["data/demo_0/obs"]
        del obs["agentview_image"]
        if kind == "external link":
            obs["agentview_image"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "frames")
        elif kind == "soft link to an external one":
            file["hidden"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "frames")
            obs["agentview_image"] = h5py.SoftLink("/hidden")
        elif kind == "external storage":
            storage = [(str(tmp_path / "secret.bin"), 0, PICTURES.nbytes)]
            obs.create_dataset("agentview_image", PICTURES.shape, np.uint8, external=storage)
        else:
            layout = h5py.VirtualLayout(PICTURES.shape, np.uint8)
            layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "frames", PICTURES.shape)
            obs.create_virtual_dataset("agentview_image", layout)

    with pytest.raises(EpisodeError, match=OUTSIDE):
        open_episodes(demos(lead_out))[0]


def test_links_inside_a_file_are_followed_and_circles_are_not(demos: Callable[..., Path]) -> None:
    def link(file: Any) -> None:
        file["shared"] = PICTURES[::-1]
        del file["data/demo_0/obs/agentview_image"]
        file["data/demo_0/obs/agentview_image"] = h5py.SoftLink("/shared")

    np.testing.assert_array_equal(open_episodes(demos(link))[0].images["primary"], PICTURES[::-1])

    def circle(file: Any) -> None:
        file["data/demo_0/obs/round"] = h5py.SoftLink("/data/demo_0/obs/round")

    with pytest.raises(EpisodeError, match="leads in a circle"):
        open_episodes(demos(circle))[0]


def test_files_that_are_open_or_damaged_or_of_another_form(demos: Callable[..., Path], tmp_path: Path) -> None:
    path = demos()
    program = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(EpisodeError, match=r"demo.hdf5: another program has it open for writing"):
            open_episodes(path)
        writer.communicate()
    (tmp_path / "text.hdf5").write_text("no file")
    with pytest.raises(EpisodeError, match="cannot be opened as HDF5"):
        open_episodes(tmp_path / "text.hdf5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(EpisodeError, match=r"expected demonstrations .* found weights. Convert it"):
        open_episodes(tmp_path / "other.h5")


def test_a_missing_extra_is_named(demos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = demos()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EpisodeError, match=r'pip install "octoscope\[hdf5\]"'):
        open_episodes(path)


def write_aloha(path: Path, *, compressed: bool, steps: int = 4, compress: bool | None = None) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["sim"] = False
        if compress is not None:
            file.attrs["compress"] = compress
        file["action"] = np.zeros((steps, 14), np.float32)
        file["observations/qpos"] = np.ones((steps, 14), np.float32)
        file["compress_len"] = np.zeros((2, steps), np.float32)
        for camera in ("cam_high", "cam_left_wrist", "cam_low", "cam_right_wrist"):
            file[f"observations/images/{camera}"] = _padded(PICTURES[:steps]) if compressed else PICTURES[:steps]
    return path


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=50)
    return file.getvalue()


def _padded(pictures: np.ndarray) -> np.ndarray:
    encoded = [np.frombuffer(_jpeg(picture), np.uint8) for picture in pictures]
    rows = np.zeros((len(encoded), max(map(len, encoded)) + 9), np.uint8)
    for row, data in zip(rows, encoded, strict=True):
        row[: len(data)] = data
    return rows


@pytest.mark.parametrize("compress", [None, True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_aloha_tells_by_axes_whether_it_is_compressed(tmp_path: Path, compressed: bool, compress: bool | None) -> None:
    path = write_aloha(tmp_path / "episode_0.hdf5", compressed=compressed, compress=compress)
    source = open_episodes(path)
    assert source.cameras == {"primary": "cam_high", "secondary": "cam_low", "wrist": "cam_right_wrist"}
    episode = source[0]
    expected = PICTURES
    if compressed:
        expected = np.stack([np.asarray(Image.open(io.BytesIO(_jpeg(picture)))) for picture in PICTURES])
    np.testing.assert_array_equal(episode.images["wrist"], expected)
    assert (episode.instruction, sorted(episode.extras)) == ("", ["qpos"])
    assert bool(episode.remarks) == compressed
    swapped = open_episodes(path, swap_red_blue=True)[0]
    np.testing.assert_array_equal(swapped.images["primary"], expected[..., ::-1])


def test_aloha_folders_count_their_files_as_people_do(tmp_path: Path) -> None:
    for number, steps in ((10, 2), (2, 3), (0, 4)):
        write_aloha(tmp_path / f"episode_{number}.hdf5", compressed=False, steps=steps)
    source = open_episodes(tmp_path, task="fold the shirt")
    assert [len(episode) for episode in source] == [4, 3, 2]
    assert {episode.instruction for episode in source} == {"fold the shirt"}
