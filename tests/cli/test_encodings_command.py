"""`octoscope encodings` and `octoscope attend --encodings`: what they write, and what they say where something is missing."""

import re

import numpy as np
import pytest

import octoscope as osc
from factory.demo.film_policy import write_film_policy
from octoscope.cli.main import main
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile


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


def test_a_checkpoint_and_another_instruction(tmp_path, capsys, monkeypatch):
    asked = ("--steps", "0:2", "--beside", "pick up the red ball", "--parts", "words", "film", "--lean")
    run("encodings", "drawn", "drawn", *asked, "-o", tmp_path)
    folder = tmp_path / "encodings"
    text = (folder / "findings.md").read_text()
    named = re.findall(r"!\[([^\]]+)\]", text)
    assert "words/instructions.png" in named
    assert len(named) == 7
    assert all((folder / name).is_file() for name in named)
    assert sorted(path.name for path in folder.iterdir()) == [
        "findings.md",
        "run_0.zarr",
        "run_beside.zarr",
        "run_other_noise.zarr",
        "words",
    ]
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
    # The same again is read; from runs too.
    for name in ("attend", "write_parts"):
        monkeypatch.setattr(f"octoscope.studies.encodings.{name}", lambda *_, **__: pytest.fail("was made again"))
    run("encodings", "drawn", "drawn", *asked, "-o", tmp_path)
    printed = capsys.readouterr().out
    assert "Two instructions side by side:" in printed
    assert f"Read from {tmp_path / 'findings' / 'encodings'}" in printed
    run("encodings", folder / "run_0.zarr", "--beside", folder / "run_beside.zarr", "-o", tmp_path / "again")
    assert "Read from" in capsys.readouterr().out


def test_what_a_run_lacks_is_said_part_by_part(tmp_path, capsys):
    run("attend", "drawn", "drawn", "--steps", "0", "--no-pictures", "--encodings", "blocks.0.residual", "-o", tmp_path)
    run("encodings", tmp_path / "run.zarr", "--camera", "wrist", "--patch", "0,1", "-o", tmp_path)
    printed = capsys.readouterr().out
    assert "Words on their way:" in printed
    assert printed.count("Not shown:") == 1
    assert "Not shown: A run does not hold the kernels" in printed
    assert "No attention by depth" in printed
    text = (tmp_path / "encodings" / "findings.md").read_text()
    assert "[image/nearest_patches.html](image/nearest_patches.html)" in text
    err = fails(
        capsys, "encodings", tmp_path / "run.zarr", "--patch", "9,9", "--parts", "image", "-o", tmp_path / "other"
    )
    assert "must lie on the grid" in err
    # Neither is one line among the findings of parts that can be shown.
    for asked, said in ((("--patch", "9,9"), "must lie on the grid"), (("--camera", "rist"), "Did you mean 'wrist'?")):
        assert said in fails(capsys, "encodings", tmp_path / "run.zarr", *asked, "-o", tmp_path / "other")
        assert not (tmp_path / "other").exists()


def test_nothing_to_show_is_an_error_that_leaves_nothing(tmp_path, capsys):
    run("attend", "drawn", "drawn", "--steps", "0", "--no-pictures", "-o", tmp_path)
    err = fails(capsys, "encodings", tmp_path / "run.zarr", "-o", tmp_path)
    assert "Nothing could be shown. Words on their way: The run holds no encodings of words" in err
    assert not (tmp_path / "encodings").exists()


def test_a_fault_in_one_part_keeps_the_others(tmp_path, capsys, monkeypatch):
    def broken(*arguments, **named):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("octoscope.studies.encodings_parts.write_image_encodings", broken)
    run("attend", "drawn", "drawn", "--steps", "0", "--no-pictures", "--encodings", "blocks.*", "-o", tmp_path)
    with pytest.raises(ZeroDivisionError):
        run("encodings", tmp_path / "run.zarr", "--parts", "words", "image", "-o", tmp_path)
    text = (tmp_path / "encodings" / "findings.md").read_text()
    assert "Not shown, for a fault of octoscope: ZeroDivisionError: of ours" in text
    assert (tmp_path / "encodings" / "words" / "words.csv").is_file()


def test_film_is_shown_of_a_policy_that_has_it(tmp_path, capsys):
    write_film_policy(tmp_path / "film")
    asked = ("--steps", "0", "--parts", "film", "words", "--beside", "pick up the red cube", "--lean")
    run("encodings", tmp_path / "film", "drawn", *asked, "-o", tmp_path)
    printed = capsys.readouterr().out
    assert "FiLM conditions the image encoders at primary.0, wrist.0." in printed
    assert "Not shown: No token of this run is a word" in printed
    names = {path.name for path in (tmp_path / "encodings" / "film").iterdir()}
    assert names == {f"film_{name}.0{end}.png" for name in ("primary", "wrist") for end in ("", "_instructions")}
    # Another instruction is another encoding, and so another scale.
    scales = [
        osc.Run.open(tmp_path / "encodings" / name).encoding("film.primary.0.scale")
        for name in ("run_0.zarr", "run_beside.zarr")
    ]
    assert np.abs(scales[0] - scales[1]).max() > 0.1
    err = fails(
        capsys, "encodings", tmp_path / "film", "drawn", "--task", "pick up the red cub", "-o", tmp_path / "other"
    )
    assert "Did you mean 'pick up the red cube'?" in err


def test_a_covered_patch_is_measured_beside_rollout(tmp_path, monkeypatch):
    drawn = {}

    def note(run, rollout, **named):
        drawn.update(named, rollout=rollout)
        return Sheet("", [SheetRow("", [Tile("", np.zeros((4, 4, 3), np.uint8))])])

    monkeypatch.setattr("octoscope.views.image_encodings.travel_sheet", note)
    asked = (
        "--steps",
        "0:2",
        "--step",
        "1",
        "--patch",
        "1,2",
        "--cover-patch",
        "--camera",
        "wrist",
        "--parts",
        "image",
    )
    run("encodings", "drawn", "drawn", *asked, "-o", tmp_path)
    assert (drawn["camera"], drawn["patch"], drawn["step"]) == ("wrist", (1, 2), 1)
    assert drawn["measured"].shape == drawn["rollout"].shape
    layout = osc.Run.open(tmp_path / "encodings" / "run_0.zarr").layout
    # Nothing reaches the other camera before the first block, nor the words in front at all.
    assert (drawn["measured"][0, layout.select("obs_primary")] == 0).all()
    assert (drawn["measured"][:, layout.select("task_language")] == 0).all()
    assert (drawn["measured"][0, layout.select("obs_wrist", timestep=-1)] > 0).any()


def test_what_cannot_be_is_refused_before_any_work(tmp_path, capsys):
    assert "is no run" in fails(capsys, "encodings", "nowhere", "-o", tmp_path)
    assert "Did you mean 'words'?" in fails(capsys, "encodings", "drawn", "drawn", "--parts", "word", "-o", tmp_path)
    assert "-1..1" in fails(capsys, "encodings", "drawn", "drawn", "--threshold", "2", "-o", tmp_path)
    for asked, said in (
        (("--parts",), "at least one of words, film, image, stem"),
        (("--step", "99"), "--step must be one that is captured, of 0, 1"),
        (("--steps", "0:2", "--step", "5"), "of 0, 1; got 5"),
        (("--patch", "3"), "--patch is a row and a column"),
        (("--cover-patch", "--lean"), "--cover-patch runs the policy again"),
        (("--camera", "wrst"), "Did you mean 'wrist'"),
        (("--patch", "99,99"), "--patch must lie on the grid of 8 rows and 8 columns, from 0,0 on; got 99,99"),
        (("--patch", "9" * 5000 + ",1"), "--patch is a row and a column"),
    ):
        assert said in fails(capsys, "encodings", "drawn", "drawn", *asked, "-o", tmp_path)
    assert not list(tmp_path.iterdir())
