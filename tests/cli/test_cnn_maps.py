"""`octoscope cnn gradcam` and `cnn compare`: computed once, then read and drawn."""

import pytest

from octoscope.cli.main import main
from octoscope.runs.findings.find_findings import find_findings


@pytest.mark.parametrize(
    ("line", "worker", "sheet"),
    [
        (
            "cnn gradcam embedded demo --methods gradcam --targets 1",
            "octoscope.studies.cnn.gradcam.activation_map",
            "gradcam",
        ),
        (
            "cnn compare embedded demo --methods layercam --stages 1",
            "octoscope.studies.cnn.compare.compare_methods",
            "compare",
        ),
    ],
    ids=["gradcam", "compare"],
)
def test_the_same_again_is_read_and_other_arguments_are_refused(line, worker, sheet, tmp_path, monkeypatch, capsys):
    main([*line.split(), "-o", str(tmp_path)])
    drawn = (tmp_path / f"{sheet}.png").read_bytes()
    monkeypatch.setattr(worker, lambda *_, **__: pytest.fail("was computed again"))
    capsys.readouterr()
    main([*line.split(), "-o", str(tmp_path)])
    assert "Read from" in capsys.readouterr().out
    assert (tmp_path / f"{sheet}.png").read_bytes() == drawn
    (finding,) = find_findings(tmp_path)
    assert finding.state.startswith("whole")
    with pytest.raises(SystemExit):
        main([*line.replace("demo", "nowhere.png").split(), "-o", str(tmp_path)])
    assert (tmp_path / f"{sheet}.png").read_bytes() == drawn
