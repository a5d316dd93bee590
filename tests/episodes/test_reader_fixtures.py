"""Recordings written by the real libraries, or after real converters, equal to what those read; outside the project."""

from pathlib import Path

import numpy as np
import pytest

from octoscope.episodes.sources import open_episodes

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures" / "episodes"
pytestmark = pytest.mark.skipif(not FIXTURES.exists(), reason="needs recordings that are not part of this project")


def expected(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(FIXTURES / f"{name}_expected.npz"))


def equal(given: object, wanted: np.ndarray) -> None:
    assert np.asarray(given).dtype == wanted.dtype
    np.testing.assert_array_equal(np.asarray(given), wanted)


@pytest.mark.parametrize("name", ["lerobot_v21", "lerobot_v30", "lerobot_v30_images"])
def test_lerobot(name: str) -> None:
    wanted, source = expected(name), open_episodes(FIXTURES / name)
    assert len(source) == 3
    start = 0
    for episode, stop in zip(source, wanted["episode_ends"], strict=True):
        steps = slice(start, int(stop))
        equal(episode.actions, wanted["action"][steps])
        equal(episode.extras["state"], wanted["observation.state"][steps])
        for key in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
            equal(episode.extras[key], wanted[key][steps])
        assert episode.instruction == wanted["task"][start]
        for camera, key in source.cameras.items():
            frames = wanted["frames/observation.image" if key == "image" else f"frames/observation.images.{key}"]
            for place, row in enumerate(wanted["frame_rows"]):
                if start <= row < stop:
                    equal(episode.images[camera][int(row) - start], frames[place])
        start = int(stop)


@pytest.mark.parametrize(("name", "file"), [("robomimic", "low_dim_and_image_v15"), ("mimicgen", "coffee_d0")])
def test_demonstrations(name: str, file: str) -> None:
    wanted = expected(name)
    source = open_episodes(FIXTURES / name / f"{file}.hdf5")
    every = [episode for split in source.splits for episode in open_episodes(FIXTURES / name, split=split)]
    assert [len(episode) for episode in every] == wanted["lengths"].tolist()
    assert [episode.instruction for episode in every] == wanted["instruction"].tolist()
    equal(source[0].images["primary"], wanted["agentview_image"])
    equal(source[0].images["wrist"], wanted["robot0_eye_in_hand_image"])
    equal(source[0].actions, wanted["actions"])


def test_libero() -> None:
    wanted = expected("libero")
    episode = open_episodes(FIXTURES / "libero")[0]
    equal(episode.images["primary"], wanted["as_stored_agentview_rgb"])
    equal(episode.actions, wanted["actions"])
    assert episode.instruction == wanted["instruction"]
    equal(open_episodes(FIXTURES / "libero", turn="flip")[0].images["primary"], wanted["upright_agentview_rgb"])


def test_aloha() -> None:
    wanted, source = expected("aloha"), open_episodes(FIXTURES / "aloha", task="transfer the cube")
    for index, episode in enumerate(source):
        equal(episode.images["primary"], wanted[f"episode_{index}/top"])
        equal(episode.extras["qpos"], wanted[f"episode_{index}/qpos"])
        equal(episode.actions, wanted[f"episode_{index}/action"])


@pytest.mark.parametrize("camera", ["cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"])
def test_aloha_compressed(camera: str) -> None:
    wanted = expected("aloha_compressed")
    for swap, key in ((False, "jpeg_says"), (True, "true_rgb")):
        source = open_episodes(FIXTURES / "aloha_compressed", cameras={"primary": camera}, swap_red_blue=swap)
        equal(source[0].images["primary"], wanted[f"episode_0/{camera}/{key}"])


@pytest.mark.parametrize("name", ["pusht_like_replay.zarr", "replay_buffer.zarr.zip"])
def test_replay_buffers(name: str) -> None:
    wanted, source = expected("diffusion_policy"), open_episodes(FIXTURES / "diffusion_policy" / name)
    assert np.cumsum([len(episode) for episode in source]).tolist() == wanted["episode_ends"].tolist()
    equal(source[0].images["primary"], wanted["img_first_episode"])
    equal(np.concatenate([episode.actions for episode in source]), wanted["action"])
    equal(np.concatenate([episode.extras["state"] for episode in source]), wanted["state"])


def test_calvin() -> None:
    wanted, source = expected("calvin"), open_episodes(FIXTURES / "calvin")
    assert [len(episode) for episode in source] == np.diff(wanted["start_end_inclusive"] + [0, 1])[:, 0].tolist()
    equal(source[0].images["primary"], wanted["rgb_static"])
    equal(source[0].images["wrist"], wanted["rgb_gripper"])
    equal(source[0].actions, wanted["rel_actions"])


def test_droid_raw() -> None:
    wanted, episode = expected("droid_raw"), open_episodes(FIXTURES / "droid_raw")[0]
    equal(episode.images["primary"], wanted["ext1"])
    equal(episode.images["wrist"], wanted["wrist"])
    equal(episode.extras["action/cartesian_position"], wanted["action_cartesian_position"])


def test_bridge_raw() -> None:
    wanted, episode = expected("bridge_raw"), open_episodes(FIXTURES / "bridge_raw")[0]
    equal(episode.images["primary"], wanted["images0"])
    assert episode.instruction == wanted["instruction"]


@pytest.mark.parametrize("name", ["video", "video/flip_pot.mp4"])
def test_video(name: str) -> None:
    wanted, episode = expected("video"), open_episodes(FIXTURES / name)[0]
    equal(episode.images["primary"], wanted["primary"])
    assert episode.instruction == wanted["instruction"]


def test_frames() -> None:
    wanted, episode = expected("frames"), open_episodes(FIXTURES / "frames")[0]
    equal(episode.images["primary"], wanted["primary"])
    equal(episode.images["wrist"], wanted["wrist"])
    assert episode.instruction == wanted["instruction"]
