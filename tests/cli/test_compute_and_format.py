"""`octoscope attend --compute`, `--batch` and `--format`: what they leave behind."""

import pytest

import octoscope as osc
from octoscope.cli.main import main


def test_a_fast_run_with_jpeg_sheets(tmp_path):
    arguments = ["attend", "drawn", "drawn", "--steps", "1", "--layers", "0", "--compute", "fast", "-o", str(tmp_path)]
    main([*arguments, "--format", "jpeg"])
    assert [sheet.name for sheet in (tmp_path / "attention_results").iterdir()] == ["step_1_layer_0.jpg"]
    assert osc.Run.open(tmp_path / "run.zarr").manifest["compute"] == "fast"
    # Sheets of another format are not the ones that were asked for.
    main([*arguments, "--resume"])
    assert [sheet.name for sheet in (tmp_path / "attention_results").iterdir()] == ["step_1_layer_0.png"]


def test_sheets_as_vector_figures(tmp_path):
    arguments = ["attend", "drawn", "drawn", "--steps", "1", "--layers", "0", "--heads", "0", "-o", str(tmp_path)]
    main([*arguments, "--figure-format", "svg"])
    (sheet,) = (tmp_path / "attention_results").iterdir()
    assert sheet.name == "step_1_layer_0.svg"
    assert ">head 0</text>" in sheet.read_text()


def test_a_batch_is_in_the_manifest_and_resume_wants_the_same(tmp_path, capsys):
    arguments = ["attend", "drawn", "drawn", "--steps", "0:3", "--no-pictures", "-o", str(tmp_path)]
    main([*arguments, "--batch", "2"])
    run = osc.Run.open(tmp_path / "run.zarr")
    assert (run.manifest["batch"], run.steps) == (2, (0, 1, 2))
    with pytest.raises(SystemExit):
        main([*arguments, "--resume"])
    assert "batch was 2, is 1" in capsys.readouterr().err
