"""`octoscope attend --compute` and `--format`: what they leave behind."""

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
