"""Results appear whole or not at all."""

import json
import os

import pytest

from octoscope.errors import OutputError
from octoscope.runs.staged_output import staged_output


def test_results_appear_when_all_went_well(tmp_path):
    with staged_output(tmp_path / "new" / "out", ["a"]) as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "new" / "out" / "a").exists()
    assert [p.name for p in (tmp_path / "new" / "out").iterdir()] == ["a"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), staged_output(tmp_path / "out", ["a"]) as folder:
        (folder / "a").write_text("1")
        raise KeyboardInterrupt
    assert not (tmp_path / "out").exists()


def test_earlier_results_are_kept_unless_told(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "other").write_text("mine")
    (tmp_path / "b_1").write_text("old")
    with pytest.raises(OutputError, match="already holds results of an earlier run"), staged_output(tmp_path, ["a"]):
        pass
    with pytest.raises(RuntimeError), staged_output(tmp_path, ["a"], overwrite=True) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"
    with staged_output(tmp_path, ["a", "b*"], overwrite=True) as folder:
        (folder / "a").write_text("new")
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "b_1").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), staged_output(tmp_path / "file" / "out", ["a"]):
        pass


def test_what_a_killed_command_left_is_removed_by_the_next_and_what_a_living_one_makes_is_not(tmp_path):
    def left(name: str, lock: dict | None) -> None:
        (tmp_path / name / "new").mkdir(parents=True)
        (tmp_path / name / "new" / "half.png").write_text("half")
        if lock is not None:
            (tmp_path / name / "lock").write_text(json.dumps(lock))

    left(".unfinished-dead", {"pid": 4194304, "host": os.uname().nodename})
    left(".unfinished-elsewhere", {"pid": 7, "host": "elsewhere"})
    left(".unfinished-older", None)
    (tmp_path / ".unfinished-empty").mkdir()
    with staged_output(tmp_path, ["a"]) as folder, staged_output(tmp_path, ["b"]) as other:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [".unfinished-elsewhere", folder.parent.name, other.parent.name]
        )
        (folder / "a").write_text("1")
        (other / "b").write_text("2")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".unfinished-elsewhere", "a", "b"]
