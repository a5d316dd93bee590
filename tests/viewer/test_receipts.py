"""Receipts: a run confirms its own numbers and no others."""

import numpy as np
import pytest

from hand_made_runs import hand_made_run
from octoscope.cli.main import main
from octoscope.runs.run import Run
from octoscope.viewer.receipts import Receipt, ReceiptError, check_receipt, run_digest


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("receipts") / "run.zarr"
    hand_made_run(store=path, steps=3)
    return path


@pytest.fixture(scope="module")
def run(path):
    return Run.open(path)


def receipt(run, index, value):
    return f"octoscope:{run_digest(run)}:attention/transformer/readout_action:{index}:{value:.7g}"


def test_a_number_is_confirmed_and_another_is_not(run):
    stored = float(run.read("attention/transformer/readout_action")[2, 1, 0, 1, 4])
    assert "confirmed" in check_receipt(run, receipt(run, "2,1,0,1,4", stored))
    with pytest.raises(ReceiptError, match="the run holds"):
        check_receipt(run, receipt(run, "2,1,0,1,4", stored + 0.01))


def test_means_and_sums_of_words(run):
    weights = run.read("attention/transformer/readout_action").astype(np.float64)
    assert "confirmed" in check_receipt(run, receipt(run, "1,*,*,1,4", weights[1, :, :, 1, 4].mean()))
    assert "confirmed" in check_receipt(run, receipt(run, "1,0,1,1,0+1", weights[1, 0, 1, 1, :2].sum()))
    assert "confirmed" in check_receipt(run, receipt(run, "1,0,1,0+1,4", weights[1, 0, 1, :2, 4].mean()))


def test_rounded_numbers_are_confirmed_within_what_rounding_leaves(run):
    stored = float(run.read("attention/transformer/readout_action")[2, 1, 0, 1, 4])
    text = receipt(run, "2,1,0,1,4", 0.0).rpartition(":")[0]
    assert "the run's own is" in check_receipt(run, f"{text}:~{stored + 0.001:.6g}")
    with pytest.raises(ReceiptError, match="the run holds"):
        check_receipt(run, f"{text}:~{stored + 0.01:.6g}")


@pytest.mark.parametrize(
    "text",
    ["", "octoscope", "octoscope:abc:a:0:1", "octoscope:0123456789abcdef:a:x:1", "octoscope:0123456789abcdef:a:-1:1",
     "octoscope:0123456789abcdef:a:0:nan", "octoscope:0123456789abcdef:a:0", "octoscope:0123456789abcdef:a:0:1" + "0" * 3000],
)  # fmt: skip
def test_what_is_no_receipt_is_refused(text):
    with pytest.raises(ReceiptError, match="A receipt is"):
        Receipt.parse(text)


@pytest.mark.parametrize(
    ("array", "index", "told"),
    [
        ("attention/transformer/nobody", "0,0,0,0,0", "no array"),
        ("actions", "0,0,0", "no array"),
        ("attention/transformer/readout_action", "0,0,0,0", "shape"),
        ("attention/transformer/readout_action", "0,0,0,0,9999", "shape"),
        ("attention/transformer/readout_action", "99,0,0,0,0", "shape"),
    ],
)
def test_places_that_are_not_there_are_told(run, array, index, told):
    with pytest.raises(ReceiptError, match=told):
        check_receipt(run, f"octoscope:{run_digest(run)}:{array}:{index}:0.5")


def test_the_command_finds_the_run_in_a_folder(run, path, capsys):
    stored = float(run.read("attention/transformer/readout_action")[0, 0, 0, 1, 0])
    main(["runs", "check", receipt(run, "0,0,0,1,0", stored), str(path.parent)])
    assert "run.zarr: confirmed" in capsys.readouterr().out
    other = receipt(run, "0,0,0,1,0", stored).replace(run_digest(run), "0123456789abcdef")
    with pytest.raises(SystemExit) as stop:
        main(["runs", "check", other, str(path.parent)])
    assert stop.value.code == 2
    assert "none of 1 is that" in capsys.readouterr().err
