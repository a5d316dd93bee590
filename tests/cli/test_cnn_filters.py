import json

import pytest
from PIL import Image

from octoscope.cli.main import main


def test_filters_of_the_embedded_network_end_on_a_sheet(tmp_path, capsys, monkeypatch):
    line = "cnn filters embedded --layer conv2 --filters 0 3 --size 32 --ascent-steps 3 -o"
    main([*line.split(), str(tmp_path)])
    with Image.open(tmp_path / "filters.png") as sheet:
        assert sheet.width > 400
    assert len(list((tmp_path / "filters").glob("*.png"))) == 2
    assert json.loads((tmp_path / "filters.json").read_text())
    assert "filters.png" in capsys.readouterr().out
    # The same again is read from the finding, and drawn from it.
    monkeypatch.setattr(
        "octoscope.studies.cnn.filters.maximize_filters", lambda *_, **__: pytest.fail("was computed again")
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "filters.png").unlink()
    main([*line.split(), str(tmp_path)])
    assert "Read from" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layer", "conv99", "--filters", "0"], "conv9"),
        (["--layer", "conv2", "--filters", "9999"], "9999"),
        (["--filters", "0"], "--layer"),
        (["--layer", "conv2", "--filters", "0", "--preset", "dream"], "--start"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(arguments, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["cnn", "filters", "embedded", *arguments, "-o", str(tmp_path / "out")])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_vgg16_without_weights_says_what_to_download(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit):
        main(
            [
                "cnn",
                "filters",
                f"vgg16:{tmp_path / 'nothing.safetensors'}",
                "--layer",
                "24",
                "--filters",
                "0",
                "-o",
                str(tmp_path / "out"),
            ]
        )
    assert "nothing.safetensors" in capsys.readouterr().err
