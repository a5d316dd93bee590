"""Policies other than image and words, from the command line."""

import pytest

from octoscope.cli.main import main
from octoscope.episodes.rlds_writer import write_rlds
from tiny_policies import DATASET, images, numbers, tiny_episode, tiny_policy


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    episode = tiny_episode(steps=2, joints=3)
    return write_rlds(tmp_path_factory.mktemp("data"), name=DATASET, episodes={"train": [episode]})


def run(*arguments):
    main([str(argument) for argument in arguments])


def test_proprioception_is_named_on_the_command_line(tmp_path, data, capsys):
    tokenizers = {"primary": images("image_primary"), "proprio": numbers("proprio")}
    tiny_policy(tmp_path / "ckpt", tokenizers, lowdim={"proprio": 3})
    run("layout", tmp_path / "ckpt", data, "--observation", "proprio=joints", "-o", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "obs_proprio            t         3  numbers: proprio (3), without a place in the image" in printed
    assert "proprio[2]" in printed
    run("layout", tmp_path / "ckpt", data, "--brief", "-o", tmp_path / "without")
    assert "obs_proprio" not in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        run("attend", tmp_path / "ckpt", data, "--observation", "proprio=joint", "-o", tmp_path / "bad")
    assert stop.value.code == 2
    assert "Did you mean 'joints'" in capsys.readouterr().err


def test_a_policy_without_cameras_leaves_a_run_and_says_why_there_is_no_picture(tmp_path, data, capsys):
    tiny_policy(tmp_path / "ckpt", {"proprio": numbers("joints")}, cameras={}, lowdim={"joints": 3})
    run("attend", tmp_path / "ckpt", data, "--steps", "1", "-o", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.zarr"]
    printed = capsys.readouterr().out
    assert "No picture was drawn. No token of this policy has a place in a recorded image" in printed
    assert "obs_proprio: 3 numbers" in printed
    with pytest.raises(SystemExit):
        run("attend", tmp_path / "ckpt", data, "--camera", "primary", "-o", tmp_path / "drawn")
    assert "The sequence has no camera 'primary'" in capsys.readouterr().err
