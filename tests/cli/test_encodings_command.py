"""`octoscope encodings` and `octoscope attend --encodings`: what they write, and what they say where something is missing."""

import re

import pytest

import octoscope as osc
from octoscope.cli.main import main


def run(*arguments):
    main([str(argument) for argument in arguments])


def fails(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_attend_keeps_the_encodings_that_are_named(tmp_path, capsys):
    asked = ("--steps", "0,1", "--no-pictures", "--encodings", "blocks.*.mlp", "tokens.task_language.t5.final")
    run("attend", "drawn", "drawn", *asked, "-o", tmp_path)
    assert "the weights behind them and encodings" in capsys.readouterr().out
    names = [point.name for point in osc.Run.open(tmp_path / "run.zarr").encoding_points]
    assert names == ["tokens.task_language.t5.final", *(f"blocks.{layer}.mlp" for layer in range(3))]
    run("attend", "drawn", "drawn", *asked, "-o", tmp_path, "--resume")
    err = fails(capsys, "attend", "drawn", "drawn", "--encodings", "blocks.1.mpl", "-o", tmp_path / "other")
    assert "Did you mean 'blocks.1.mlp'?" in err
    assert not (tmp_path / "other").exists()


def test_a_checkpoint_and_another_instruction(tmp_path, capsys):
    asked = ("--steps", "0:2", "--beside", "pick up the red ball", "--parts", "words", "film", "--lean")
    run("encodings", "drawn", "drawn", *asked, "-o", tmp_path)
    folder = tmp_path / "encodings"
    text = (folder / "findings.md").read_text()
    named = re.findall(r"!\[([^\]]+)\]", text)
    assert "words/instructions.png" in named
    assert len(named) == 7
    assert all((folder / name).is_file() for name in named)
    assert sorted(path.name for path in folder.iterdir()) == ["findings.md", "run_0.zarr", "run_beside.zarr", "words"]
    printed = capsys.readouterr().out
    for part in (
        "Words on their way:",
        "Two instructions side by side:",
        "FiLM:",
        "conditions no image encoder by FiLM",
    ):
        assert part in printed
    assert "RANDOM WEIGHTS" in printed
    # What was kept can be looked at again, without the policy; and a part that needs it says so.
    run("encodings", folder / "run_0.zarr", "--beside", folder / "run_beside.zarr", "-o", tmp_path / "again")
    again = capsys.readouterr().out
    assert "Two instructions side by side:" in again
    assert "Not shown: A run does not hold the kernels" in again
    assert "already holds results" in fails(capsys, "encodings", folder / "run_0.zarr", "-o", tmp_path)


def test_what_a_run_lacks_is_said_part_by_part(tmp_path, capsys):
    run("attend", "drawn", "drawn", "--steps", "0", "--no-pictures", "-o", tmp_path)
    run("encodings", tmp_path / "run.zarr", "-o", tmp_path)
    printed = capsys.readouterr().out
    assert "Not shown: The run holds no encodings of words" in printed
    assert printed.count("Not shown:") == 3
    assert [path.name for path in (tmp_path / "encodings").iterdir()] == ["findings.md"]


def test_what_cannot_be_is_refused_before_any_work(tmp_path, capsys):
    assert "is no run" in fails(capsys, "encodings", "nowhere", "-o", tmp_path)
    assert "Did you mean 'words'?" in fails(capsys, "encodings", "drawn", "drawn", "--parts", "word", "-o", tmp_path)
    assert "-1..1" in fails(capsys, "encodings", "drawn", "drawn", "--threshold", "2", "-o", tmp_path)
    assert not list(tmp_path.iterdir())
